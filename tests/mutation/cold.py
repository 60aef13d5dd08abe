"""Mutants of what runs at import: the tests in a process of their own, which imports the mutant.

``python -m pytest -p tests.mutation.cold`` finds the module's path and the mutant's in the environment.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import signal
import subprocess
import sys
import tempfile
from importlib.abc import Loader
from pathlib import Path
from types import ModuleType
from typing import Any

from .mutants import Mutant

_MODULE, _SOURCE = "DRIFTLOCK_MUTATED", "DRIFTLOCK_MUTANT"


def run_cold(mutant: Mutant | None, names: list[str], limit: float, database: str) -> str:
    """The first of these tests that fails with the mutant; "time" if they take too long, "" if none fails."""
    environment = os.environ | _server_of(database)
    with tempfile.TemporaryDirectory(prefix="driftlock-mutant-") as folder:
        if mutant:
            source = Path(folder, "mutant.py")
            source.write_text(mutant.source)
            environment |= {_MODULE: str(mutant.path.resolve()), _SOURCE: str(source)}
        return _run(names, environment, limit, Path(folder, "output"))


def _run(names: list[str], environment: dict[str, str], limit: float, output: Path) -> str:
    options = ["-x", "-q", "--reuse-db", "-p", "no:cacheprovider", "-p", "tests.mutation.cold"]
    command = [sys.executable, "-m", "pytest", *options, *names]
    with output.open("w") as file:
        child = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
        try:
            return "" if child.wait(limit) == 0 else _failure(output.read_text())
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return "time"


def _server_of(database: str) -> dict[str, str]:
    from django.db import connection

    given = connection.get_connection_params()
    who, host = f"{given['user']}:{given.get('password') or ''}", str(given["host"]).replace("/", "%2F")
    return {"DATABASE_URL": f"postgres://{who}@{host}:{given['port']}/{database.removeprefix('test_')}"}


def _failure(output: str) -> str:
    failed = [line.split()[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else "import"


class _Finder(Loader):
    """Finds one module, whose source is the mutant's."""

    def __init__(self, path: Path, source: Path) -> None:
        self._path, self._source = path, source

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The module's spec if it is that one."""
        found = importlib.machinery.PathFinder.find_spec(name, path)
        if found is None or found.origin != str(self._path):
            return None
        found.loader = self
        return found

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant as the module."""
        exec(compile(self._source.read_text(), str(self._path), "exec"), module.__dict__)


if _MODULE in os.environ:
    from cosmic_ray.exceptions import CosmicRayTestingException

    builtins.CosmicRayTestingException = CosmicRayTestingException  # type: ignore[attr-defined]
    sys.meta_path.insert(0, _Finder(Path(os.environ[_MODULE]), Path(os.environ[_SOURCE])))  # type: ignore[arg-type]
