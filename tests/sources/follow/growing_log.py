"""A growing log and its reader, as a writer, logrotate and a kill treat them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from pathlib import Path

from anomalies.sources.follow import Gap, Position, Stop, follow
from anomalies.sources.lines import Line


class Log:
    """A log as its writer and logrotate treat it. Its files have times that differ, however fast the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self._time = int(time.time()) - 100_000
        self._keep = 0

    def write(self, data: bytes, path: Path | None = None) -> None:
        with (path or self.path).open("ab") as file:
            file.write(data)
        self.touch(path or self.path)

    def touch(self, path: Path) -> None:
        self._time += 1
        os.utime(path, (self._time, self._time))

    def rotate(self, create: bool = True) -> None:
        """As logrotate with ``create`` does it; the writer makes the file itself without."""
        self._shift()
        if self.path.exists():
            self.path.rename(self.rotated(1))
        if create:
            self.write(b"")

    def copytruncate(self) -> None:
        self._shift()
        shutil.copy2(self.path, self.rotated(1))
        os.truncate(self.path, 0)
        self.touch(self.path)

    def pack(self, number: int) -> None:
        """As gzip does it: the archive has the file's time, then the file goes."""
        file = self.rotated(number)
        if file.exists():
            archive = file.with_name(f"{file.name}.gz")
            archive.write_bytes(gzip.compress(file.read_bytes()))
            os.utime(archive, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
            file.unlink()

    def rotated(self, number: int) -> Path:
        return self.path.with_name(f"app.log.{number}")

    def _shift(self) -> None:
        for number in range(30, 0, -1):
            for suffix in ("", ".gz"):
                file = self.path.with_name(f"app.log.{number}{suffix}")
                if file.exists():
                    file.rename(self.path.with_name(f"app.log.{number + 1}{suffix}"))


class Reader:
    """A run of ``follow`` that goes on where the test lets it, and can be ended and begun again anywhere."""

    def __init__(self, path: Path, max_bytes: int = 100, **options) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._options = {"poll": 0.0, "linger": 0.0} | options
        self.lines: list[Line] = []  # those before the position that was reached
        self.gaps: list[Gap] = []
        self.position: Position | None = None
        self._open()

    def _open(self) -> None:
        self._stop = Stop()
        self._items = follow(
            str(self._path), self._max_bytes, stop=self._stop, start=self.position, **self._options
        )

    def read(self, at_most: int = 1_000_000) -> list[bytes]:
        """Until nothing comes, or so many items came; what is complete by then is kept."""
        handled: list[Line] = []
        for _, item in zip(range(at_most), self._items, strict=False):
            if isinstance(item, Line):
                handled.append(item)
            elif isinstance(item, Gap):
                self.gaps.append(item)
            else:
                self.lines, handled = self.lines + handled, []
                self.position = item.position
                if item.idle:
                    break
        if handled:
            self.restart()
        return self.texts

    def restart(self) -> None:
        self.close()
        if self.position:
            self.position = Position.from_json(json.loads(json.dumps(self.position.as_json())))
        self._open()

    def close(self) -> None:
        self._items.close()
        self._stop.close()

    @property
    def texts(self) -> list[bytes]:
        return [line.data for line in self.lines]
