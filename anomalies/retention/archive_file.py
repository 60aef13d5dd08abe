"""An archive: anomalies as JSON Lines, compressed by Zstandard, beside a manifest with their hashes.

Both files appear when they are whole and on the disk, the manifest last: an archive without one was
interrupted, and nothing was deleted on its account. ``ingest`` takes the lines back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import zstandard

from anomalies.atomic_file import AtomicFile, write_atomically

FORMAT = "driftlock-archive-1"
SUFFIX = ".jsonl.zst"
_LEVEL = 10
_READ = 1 << 20  # bytes read at once


class ArchiveError(Exception):
    """The archive could not be written, or does not hold what was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row for the archive: its id, its version in the table, its time, and its line."""

    id: UUID
    version: str
    timestamp: datetime
    line: bytes


@dataclass(slots=True)
class _Course:
    """The state of writing: ``content`` hashes the lines, ``packed`` the bytes of the file."""

    rows: list[tuple[UUID, str]] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None
    size: int = 0
    content: Any = field(default_factory=hashlib.sha256)
    packed: Any = field(default_factory=hashlib.sha256)

    def take(self, row: Row) -> bytes:
        """Note a row and return its line."""
        self.rows.append((row.id, row.version))
        self.first = row.timestamp if self.first is None else min(self.first, row.timestamp)
        self.last = row.timestamp if self.last is None else max(self.last, row.timestamp)
        self.content.update(row.line)
        return row.line

    def note(self, data: bytes) -> bytes:
        """Note bytes of the file and return them."""
        self.packed.update(data)
        self.size += len(data)
        return data


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive: its file, its manifest's SHA-256, and the ids and versions of its rows."""

    path: Path
    manifest: Path
    sha256: str
    rows: tuple[tuple[UUID, str], ...]


def write(folder: Path, found: Iterable[Row], **about: Any) -> Archive | None:
    """Write rows into a new archive in a folder and read it back; None, and no file, without any rows.

    ``about`` joins the manifest. Raises ArchiveError.
    """
    rows = iter(found)
    first = next(rows, None)
    if first is None:
        return None
    path = folder / f"anomalies-{first.timestamp:%Y%m%dT%H%M%S}-{first.id.hex}{SUFFIX}"
    try:
        course = _write(path, first, rows)
        _read_back(path, course)
        manifest = path.with_name(path.name.removesuffix(SUFFIX) + ".manifest.json")
        data = _manifest(path, course, about)
        write_atomically(manifest, data)
    except FileExistsError as error:
        raise ArchiveError(f"{error.filename2 or path} exists already; move it away first") from error
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}; nothing was deleted") from error
    return Archive(path, manifest, hashlib.sha256(data).hexdigest(), tuple(course.rows))


def _write(path: Path, first: Row, rest: Iterator[Row]) -> _Course:
    course = _Course()
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    with AtomicFile(path) as file:
        file.write(course.note(packer.compress(course.take(first))))
        for row in rest:
            file.write(course.note(packer.compress(course.take(row))))
        file.write(course.note(packer.flush()))
        file.publish()
    return course


def _read_back(path: Path, course: _Course) -> None:
    """Read the file again before anything is deleted on its account."""
    with path.open("rb") as file:
        packed = hashlib.file_digest(file, "sha256").hexdigest()
    content = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for data in _unpacked(file):
                content.update(data)
    except zstandard.ZstdError as error:
        raise ArchiveError(f"{path} can't be unpacked: {error}; nothing was deleted") from error
    if (packed, content.digest()) != (course.packed.hexdigest(), course.content.digest()):
        raise ArchiveError(f"{path} does not hold what was written; nothing was deleted")


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(file) as reader:
        while data := reader.read(_READ):
            yield data


def _manifest(path: Path, course: _Course, about: dict[str, Any]) -> bytes:
    holds = {
        "format": FORMAT,
        "file": path.name,
        "bytes": course.size,
        "sha256": course.packed.hexdigest(),
        "content_sha256": course.content.hexdigest(),
        "rows": len(course.rows),
        "first": course.first and course.first.isoformat(),
        "last": course.last and course.last.isoformat(),
    }
    return (json.dumps(holds | about, indent=2, ensure_ascii=False) + "\n").encode()
