"""The folder of the tests' servers: in memory where there is room for it, else where temporary files are.

Tests make some hundred databases, each of three hundred files. On a disk's file system that is most of the
kernel's work in a run; in memory it is a tenth.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED = 2 * 1024**3  # bytes for each worker of pytest-xdist: 0.8 GB were used at most
_LIMIT, _USED = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.current"))


def temporary_folder(prefix: str) -> str:
    """Make a folder with this prefix; whoever asks deletes it. Those of killed runs are deleted here."""
    for left in MEMORY.glob(f"{prefix}*-*"):
        pid = left.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    in_memory = {"prefix": f"{prefix}{os.getpid()}-", "dir": str(MEMORY)}
    return tempfile.mkdtemp(**(in_memory if has_room() else {"prefix": prefix}))


def has_room(workers: int | None = None) -> bool:
    """Return True if so many workers (those of this run by default) find room in memory."""
    workers = workers or int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    return os.access(MEMORY, os.W_OK) and min(_free(), _available()) >= NEEDED * workers


def _free() -> int:
    return shutil.disk_usage(MEMORY).free


def _available() -> int:
    """The bytes of memory that this machine, or this container, has left; 0 where that is not known."""
    try:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        machine = 1024 * int(fields["MemAvailable"].split()[0])
        limit = _LIMIT.read_text().strip() if _LIMIT.exists() else "max"
        return machine if limit == "max" else min(machine, int(limit) - int(_USED.read_text()))
    except (OSError, KeyError, ValueError):
        return 0
