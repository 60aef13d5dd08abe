"""A small service of real processes on this machine: what its host metrics are measured of.

A server answers requests over the loopback interface and writes an access log into a small file system of its
own, a client asks it some twenty times a second, and a batch job writes a report to disk every half minute.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import random
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Process, Value
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import psutil

_VOLUME_MB = 48
_RATE = 20  # requests a second on average
_SWING = 0.4  # of the rate, up and down
_SWING_SECONDS = 300
_ROTATED_SECONDS = 60
_BATCH_SECONDS = 30
_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Host:
    """The running service: its volume, a folder on the disk, the server's process and address, and a counter
    of answered requests."""

    volume: Path
    folder: Path
    server: Process
    port: int
    answered: Synchronized[int]


@contextmanager
def running(seed: int) -> Iterator[Host]:
    """Start the service with a volume of its own, and end both. Needs root, for the mount of a tmpfs."""
    with tempfile.TemporaryDirectory(prefix="host-") as home, _volume(Path(home) / "volume") as volume:
        folder = Path(home) / "reports"
        folder.mkdir()
        listener = socket.create_server(("127.0.0.1", 0))
        answered: Synchronized[int] = Value("q", 0)
        server = Process(target=_serve, args=(listener, volume / "access.log"))
        others = [
            Process(target=_ask, args=(listener.getsockname()[1], answered, seed)),
            Process(target=_batch, args=(folder, seed)),
        ]
        for one in (server, *others):
            one.start()
        try:
            yield Host(volume, folder, server, listener.getsockname()[1], answered)
        finally:
            for one in (*others, server):
                one.kill()
                one.join()


@contextmanager
def _volume(path: Path) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_VOLUME_MB}m", "tmpfs", path], check=True)
    (path / "archive").write_bytes(os.urandom(14_000_000))
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def _serve(listener: socket.socket, log: Path) -> None:
    """Answer requests one after another; the access log begins again every minute."""
    rotated = time.monotonic()
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_TIMEOUT_SECONDS)
            asked = int(connection.recv(16) or b"0")
            body = os.urandom(asked)
            hashlib.pbkdf2_hmac("sha256", body[:16], b"salt", 4_000)
            connection.sendall(body)
            with contextlib.suppress(OSError), log.open("ab") as file:  # a full volume: served all the same
                file.write(b"x" * 4_000)
        if time.monotonic() - rotated > _ROTATED_SECONDS:
            rotated = time.monotonic()
            log.write_bytes(b"")


def _ask(port: int, answered: Synchronized[int], seed: int) -> None:
    """Send requests at a rate that swings slowly, each for a few kilobytes."""
    draw = random.Random(seed)
    while True:
        swing = 1 + _SWING * math.sin(2 * math.pi * time.monotonic() / _SWING_SECONDS)
        time.sleep(draw.expovariate(_RATE * swing))
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as to,
        ):
            to.settimeout(_TIMEOUT_SECONDS)
            to.sendall(b"%d" % draw.randrange(2_000, 12_000))
            while to.recv(65_536):
                pass
            answered.value += 1


def _batch(folder: Path, seed: int) -> None:
    """Write a compressed report every half minute, and see it on the disk."""
    draw = random.Random(seed)
    while True:
        time.sleep(_BATCH_SECONDS)
        report = zlib.compress(draw.randbytes(1_500_000), 6)
        with (folder / "report").open("wb") as file:
            file.write(report)
            file.flush()
            os.fsync(file.fileno())


def tree() -> list[psutil.Process]:
    """The service's processes, and those of the faults."""
    return psutil.Process().children(recursive=True)
