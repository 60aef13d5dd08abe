"""``manage.py`` as a process of its own that is forked off one that has imported everything.

Importing Django, the product and its admin takes most of a short command's time, and the tests start many
hundreds of commands. So each worker of the tests keeps one process that has done so. What is forked off it is
real in every respect that a test sees: pid, streams, arguments, signals, environment and exit status.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import pickle
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_NUMBER = struct.Struct("=q")


def _environment() -> dict[str, str]:
    """The environment without what pytest changes from test to test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _exactly(end: socket.socket | int, size: int) -> bytes:
    """The next bytes of a socket or a pipe; fewer where it ends."""
    taken = b""
    while len(taken) < size:
        piece = end.recv(size - len(taken)) if isinstance(end, socket.socket) else os.read(end, size)
        if not piece:
            break
        taken += piece
    return taken


class _Parent:
    """The process that has imported everything, and the socket on which it takes requests."""

    def __init__(self) -> None:
        self.environment = _environment()
        self._one_at_a_time = threading.Lock()
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=_ROOT,
            env=self.environment | {"DJANGO_SETTINGS_MODULE": "driftlock.settings"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        atexit.register(self.end)

    def fork(self, request: dict[str, Any], ends: list[int]) -> int:
        """Fork a process with three streams, and a pipe that gets its status at its end; its pid."""
        body = pickle.dumps(request)
        with self._one_at_a_time:
            socket.send_fds(self.socket, [_NUMBER.pack(len(body))], ends)
            self.socket.sendall(body)
            return int(_NUMBER.unpack(_exactly(self.socket, _NUMBER.size))[0])

    def end(self) -> None:
        self.socket.close()
        self.process.wait()


_parent: _Parent | None = None
_making_it = threading.Lock()


def _the_parent() -> _Parent:
    global _parent
    with _making_it:
        _parent = _parent or _Parent()
        return _parent


class Command(subprocess.Popen[bytes]):
    """A Popen whose ``args`` are those of ``manage.py``, or -m and a module; ``database`` names its database.

    Popen makes and reads the pipes; its three methods that start a process and wait for it are replaced here.
    """

    def __init__(self, args: list[str], database: str, remembers: bool, **streams: Any) -> None:
        from tests.support import catalogs  # which needs Django's settings

        self._database, self._catalogs = database, catalogs.folder() if remembers else None
        super().__init__(args, **streams)

    def _execute_child(self, args: Any, *rest: Any) -> None:
        their_in, _, _, their_out, _, their_err = rest[9:15]
        streams = [
            end if end != -1 else number for number, end in enumerate([their_in, their_out, their_err])
        ]
        self._end, theirs = os.pipe()
        request = {"args": args, "environment": dict(os.environ), "database": self._database}
        request["catalogs"] = self._catalogs
        self.pid = _the_parent().fork(request, [*streams, theirs])
        self._child_created = self._closed_child_pipe_fds = True
        for end in {their_in, their_out, their_err, theirs} - {-1}:
            os.close(end)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        os.set_blocking(self._end, not wait_flags & os.WNOHANG)
        try:
            status = _NUMBER.unpack(_exactly(self._end, _NUMBER.size))[0]
        except BlockingIOError:
            return 0, 0
        os.close(self._end)
        return self.pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def command(args: list[str], database: str, remembers: bool = False, **streams: Any) -> Command | None:
    """Start it; None where the environment is another than that of the process that imported everything."""
    if _the_parent().environment != _environment():
        return None
    return Command(args, database, remembers, **streams)


# --- in the process that has imported everything ----------------------------------------------------------


def _reap() -> None:
    """Take the ended processes off the system's list, so that their processor time counts as this one's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _next_child(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request; returns in the forked process alone, with what it has to run."""
    while True:
        size, ends, _, _ = socket.recv_fds(requests, _NUMBER.size, 4)
        _reap()
        if not size:
            os._exit(0)
        request = pickle.loads(_exactly(requests, _NUMBER.unpack(size)[0]))
        if not os.fork():
            pid = os.fork()
            if not pid:
                requests.close()
                return request | {"ends": ends}
            requests.sendall(_NUMBER.pack(pid))
            for end in ends[:3]:
                os.close(end)
            os.write(ends[3], _NUMBER.pack(os.waitpid(pid, 0)[1]))
            os._exit(0)
        for end in ends:
            os.close(end)


def _become(request: dict[str, Any]) -> None:
    """Take on the streams, the environment, the arguments and the database of a request."""
    for number, end in enumerate(request["ends"][:3]):
        os.dup2(end, number)
    for end in request["ends"]:
        os.close(end)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["-c", *request["args"]]
    settings.DATABASES["default"]["NAME"] = request["database"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    import django
    from django.core.management import get_commands, load_command_class
    from django.urls import get_resolver

    from driftlock import settings
    from driftlock.command_line import main
    from tests.support import catalogs

    django.setup()
    for name, app in get_commands().items():
        if app == "anomalies":
            load_command_class(app, name)
    get_resolver().url_patterns  # noqa: B018
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the commands
    request = _next_child(socket.socket(fileno=int(sys.argv[1])))
    _become(request)
    with catalogs.remembered(request["catalogs"]) if request["catalogs"] else contextlib.nullcontext():
        runpy.run_module(request["args"][1], run_name="__main__") if request["args"][0] == "-m" else main()
