"""``up`` as a process of its own: the admin on a data folder and a port that nothing else uses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil

from tests.support.processes import ROOT

MANAGE = (sys.executable, str(ROOT / "manage.py"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(data: Path) -> dict[str, str]:
    """The environment of an operator who keeps the data in this folder and set nothing else."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DATABASE_", "DJANGO", "DRIFTLOCK", "PYTEST", "PYTHON", "SECRET_KEY"))
    }
    return kept | {"DRIFTLOCK_DATA": str(data)}


class Up:
    """A running ``up``; ``program`` is manage.py, or an installed wheel's command."""

    def __init__(
        self, data: Path, port: int | None = None, program: tuple[str, ...] = MANAGE, cwd: Path = ROOT
    ) -> None:
        self.data, self.port, self.said = data, port or free_port(), ""
        self.process = subprocess.Popen(
            [*program, "up", "--port", str(self.port)],
            cwd=cwd,
            env=environment(data),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_served(self) -> Up:
        """Read what it says up to the line with its address."""
        for line in self.process.stdout:
            self.said += line
            if f"http://127.0.0.1:{self.port}/" in line:
                return self
        raise AssertionError(f"it ended before it served: {self.process.stderr.read()}")

    def get(self, path: str) -> tuple[str, str]:
        """A page's type and text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=600) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status after a signal, and what it said on standard error."""
        self.process.send_signal(number)
        said, complained = self.process.communicate(timeout=600)
        self.said += said
        return self.process.returncode, complained


def postmaster(data: Path) -> int | None:
    """The process id of the data folder's server, where it runs."""
    file = data / "postgres" / "postmaster.pid"
    pid = int(file.read_text().split()[0]) if file.exists() else None
    return pid if pid is not None and psutil.pid_exists(pid) else None
