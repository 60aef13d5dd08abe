"""The decisions that a worker started and those that were confirmed: JSON Lines, flushed to disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Ledger:
    """A worker's own file. A line that a kill has torn was not finished, and does not count."""

    def __init__(self, folder: Path, slot: int) -> None:
        name = folder / f"{slot}-{os.getpid()}.jsonl"
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, event: str, tag: str, **about: Any) -> None:
        """Add a line, and wait until it is on the disk."""
        os.write(self._file, json.dumps({"event": event, "tag": tag, **about}).encode() + b"\n")
        os.fsync(self._file)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """All whole lines of all workers."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)
