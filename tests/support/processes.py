"""``manage.py`` as a process of its own, on the database of the test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection

from tests.support import preforked

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """
import os
from driftlock import settings
from driftlock.command_line import main
settings.DATABASES["default"]["NAME"] = os.environ["DATABASE_OF_THE_TEST"]
main()
"""


def manage(
    *args: str, database: str | None = None, remembers: bool = False, **over: Any
) -> subprocess.Popen[bytes]:
    """``manage.py`` with these arguments; every stream is a pipe. Rows must be committed to be seen by it.

    ``database`` is one on the same server, instead of the test's; with ``remembers`` the
    command takes the catalogs that migrations make from ``support.catalogs``; ``over`` goes to Popen.
    """
    name = database or str(connection.settings_dict["NAME"])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | over
    if over.keys() <= {"stdin", "stdout", "stderr"}:
        forked = preforked.command(list(args), name, remembers, **pipes)
        if forked is not None:
            return forked
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "driftlock.settings", "DATABASE_OF_THE_TEST": name}
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, *args], env=env, cwd=ROOT, **pipes)


def wait_until(condition: Callable[[], object], seconds: float = 600) -> None:
    """Wait until it holds; fail after ``seconds``, which no busy machine needs: it is hung then."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
