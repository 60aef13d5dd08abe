"""The faults of the host's recording: each is caused for real, and ends by itself."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path

from host import Host


@dataclass(frozen=True, slots=True)
class HostFault:
    """A kind of fault: how it is caused, and the columns in which it shows."""

    kind: str
    what: str
    columns: tuple[str, ...]
    cause: Callable[[Host], None]


def cpu_hog(host: Host) -> None:
    _together(_spin, 60, count=2)


def disk_full(host: Host) -> None:
    filler = host.volume / "core.dump"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1_000_000)):
                time.sleep(0.05)
        except OSError:
            pass  # full, which is what was wanted
    time.sleep(75)
    filler.unlink()


def network_burst(host: Host) -> None:
    _together(_stream, 25)


def server_stopped(host: Host) -> None:
    pid = host.server.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    time.sleep(60)
    os.kill(pid, signal.SIGCONT)


def memory_leak(host: Host) -> None:
    _together(_leak, 75)


def write_burst(host: Host) -> None:
    end = time.monotonic() + 40
    process = Process(target=_write, args=(str(host.folder / "burst"), end))
    process.start()
    process.join()


def recorder_paused(host: Host) -> None:
    """Nothing is caused here: the recorder takes no samples while a fault of this kind goes on."""
    time.sleep(45)


FAULTS = (
    HostFault("disk_full", "a core dump fills the volume", ("disk_used_percent",), disk_full),
    HostFault("server_stopped", "SIGSTOP to the server", ("requests", "network_kb"), server_stopped),
    HostFault("network_burst", "a client streams 30 MB a second", ("network_kb",), network_burst),
    HostFault("recorder_paused", "no samples are taken", (), recorder_paused),
    HostFault("cpu_hog", "two processes spin", ("cpu_percent",), cpu_hog),
    HostFault("memory_leak", "a process takes 6 MB more each second", ("memory_mb",), memory_leak),
    HostFault("write_burst", "a process writes and syncs 20 MB a second", ("written_kb",), write_burst),
)


def _together(work: Callable[[float], None], seconds: float, count: int = 1) -> None:
    end = time.monotonic() + seconds
    processes = [Process(target=work, args=(end,)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def _spin(end: float) -> None:
    while time.monotonic() < end:
        pass


def _leak(end: float) -> None:
    held = []
    while time.monotonic() < end:
        held.append(b"\x01" * 6_000_000)
        time.sleep(1)


def _write(path: str, end: float) -> None:
    with Path(path).open("wb") as file:
        while time.monotonic() < end:
            file.seek(0)
            file.write(bytes(5_000_000))
            file.flush()
            os.fsync(file.fileno())
            time.sleep(0.25)
    Path(path).unlink()


def _stream(end: float) -> None:
    one, other = _pair()
    with one, other:
        while time.monotonic() < end:
            one.sendall(bytes(300_000))
            left = 300_000
            while left:
                left -= len(other.recv(left))
            time.sleep(0.01)


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other
