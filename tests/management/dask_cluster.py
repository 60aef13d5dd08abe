"""A Dask cluster of a test: a scheduler and workers as the programs that an operator starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from tests.support.processes import ROOT, wait_until


def database_url() -> str:
    """The address of the test's database for a process of its own."""
    connection.ensure_connection()
    info = connection.connection.info
    user = quote(info.user) + (f":{quote(info.password)}" if info.password else "")
    return f"postgres://{user}@{quote(info.host, safe='')}:{info.port}/{info.dbname}"


class Cluster:
    """A scheduler's address, and the processes of its workers; each one has a nanny that replaces it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self._start(
            "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)
        )
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"))
        self.address: str = json.loads(file.read_text())["address"]

    def add_worker(self, *options: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread, on the test's database unless ``env`` says otherwise."""
        usual = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder))
        return self._start("worker", self.address, *usual, *options, DATABASE_URL=database_url(), **env)

    def _start(self, *args: str, **env: str) -> subprocess.Popen[bytes]:
        settings = {"DJANGO_SETTINGS_MODULE": "driftlock.settings", "PYTHONPATH": str(ROOT)}
        log = (self._folder / "log").open("ab")
        program = subprocess.Popen(
            [sys.executable, "-m", "dask", *args],
            env={**os.environ, **settings, **env},
            stdout=log,
            stderr=log,
            cwd=self._folder,
            start_new_session=True,
        )
        log.close()
        self._programs.append(program)
        return program

    def stop(self) -> None:
        """Kill all of them, the workers that nannies started too."""
        for program in reversed(self._programs):
            with_children = os.getpgid(program.pid) if program.poll() is None else 0
            if with_children:
                os.killpg(with_children, signal.SIGKILL)
            program.wait()


@contextmanager
def cluster(folder: Path, workers: int = 0) -> Iterator[Cluster]:
    """A cluster with so many workers; ``folder`` takes its files."""
    made = Cluster(folder)
    try:
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        made.stop()
