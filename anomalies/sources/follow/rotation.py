"""Where a file went when it was rotated, and what was written after it.

A rotated file lies in the folder of the file that is followed (or in that of what it is a link to), under its
name with figures added: ``app.log.1``, ``app.log-20261123``, ``app-2026-11-23.log``, packed or not. Of names
like ``app.log.1`` the larger number is the older file; all others are ordered by when they were last written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .growing_file import Identity, Source
from .position import MARK_BYTES, Mark, Position

_PACKED = re.compile(r"\.(gz|zst|bz2|xz|lz4|Z)$")
_SECOND = 1_000_000_000
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Sibling:
    """A file beside the one that is followed. ``number`` is that of ``app.log.1``, None for other names."""

    path: Path
    identity: Identity
    modified: int
    number: int | None
    rotated: bool  # its name says that it is

    def is_after(self, other: Sibling) -> bool:
        """Whether it was written after the other was."""
        if self.number is not None and other.number is not None:
            # Both must say so: some programs give the larger number to the newer file.
            return self.number < other.number and self.modified >= other.modified
        return self._key() > other._key()

    def _key(self) -> tuple[int, list[int], str]:
        figures = [int(digits) for digits in re.findall(r"\d+", self.path.name)]
        return self.modified, [-self.number] if self.number is not None else figures, self.path.name


def identity_of(path: Path) -> Identity | None:
    """Device and inode of what has this name now; None where nothing has."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def locate(path: Path, position: Position) -> Source | None:
    """The file that a position is in, whatever its name is now, to be read on from there; None: it is gone.

    The same file (device and inode; after a restart of the system perhaps the inode alone) with the same
    content up to there, else a copy of it. Raises OSError where the same file can't be read.
    """
    found = siblings(path)
    same = [each for each in [path, *(one.path for one in found)] if _inode(each) == position.inode]
    here = (position.device, position.inode)
    for each in sorted(same, key=lambda one: identity_of(one) != here):
        if source := _opened_at(each, position):
            return source
    return _copy(path, found, position)


def _copy(path: Path, found: list[Sibling], position: Position) -> Source | None:
    """A file with another inode that has the content: packed, or copied before it was truncated."""
    if position.head.length == 0:
        return None
    since = position.modified // _SECOND  # archives keep no more than the seconds
    later = [one for one in found if one.rotated and one.modified // _SECOND >= since]
    candidates = [one.path for one in oldest_first(later)]
    if position.head.length == MARK_BYTES:  # little content may be the same by chance, and lines lost
        candidates.append(path)
    for each in candidates:
        try:
            if source := _opened_at(each, position):
                return source
        except OSError:  # not ours to read, so it can't be known
            continue
    return None


def has_head(path: Path, head: Mark) -> bool:
    """Whether a file that can be read begins with these bytes; no bytes tell nothing."""
    try:
        source = Source(path)
    except OSError:
        return False
    source.close()
    return head.length > 0 and Mark.of(source.head[: head.length]) == head


def _opened_at(path: Path, position: Position) -> Source | None:
    try:
        source = Source(path)
    except FileNotFoundError:
        return None
    try:
        if source.at(position):
            return source
    except BaseException:
        source.close()
        raise
    source.close()
    return None


def written_after(
    path: Path, source: Source | None, position: Position, current: Identity | None
) -> list[Sibling]:
    """The rotated files written after ``source``, or, where that is gone, after ``position``; oldest first.

    ``current`` has the name now, or had it a moment ago, and is none of them.
    """
    listed = siblings(path)
    mine = _among(listed, source, position) if source else None
    found = [one for one in listed if one.identity != current]
    if mine is None:
        return oldest_first([one for one in found if one.rotated and one.modified > position.modified])
    return oldest_first([one for one in found if one.rotated and one.is_after(mine)])


def _among(found: list[Sibling], source: Source, position: Position) -> Sibling | None:
    """The sibling that this open file is, or that it was packed into."""
    for one in found:
        if one.identity == source.identity:
            return one
    if not source.has_a_name() and position.head.length:
        for one in oldest_first([one for one in found if one.rotated]):
            if _holds(one.path, position):
                return one
    return None


def _holds(path: Path, position: Position) -> bool:
    try:
        copy = _opened_at(path, position)
    except OSError:
        return False
    if copy:
        copy.close()
    return copy is not None


def oldest_first(found: list[Sibling]) -> list[Sibling]:
    """In the order in which they were written; of a file and its archive the file alone."""
    plain = {one.path for one in found}
    kept = [one for one in found if (bare := _bare(one.path)) == one.path or bare not in plain]
    return sorted(kept, key=lambda one: (-one.number if one.number is not None else 0, *one._key()))


def siblings(path: Path) -> list[Sibling]:
    """The regular files beside it. Listed until nothing moves: a file renamed meanwhile may be missed."""
    before = None
    for _ in range(_TRIES):
        found = sorted(_listed(path), key=lambda one: one.path)
        if before is not None and [(o.path, o.identity) for o in found] == before:
            break
        before = [(one.path, one.identity) for one in found]
    return found


def _listed(path: Path) -> Iterator[Sibling]:
    real = Path(os.path.realpath(path))
    for folder in {path.parent.resolve(), real.parent}:
        names = {path.name, real.name}
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            continue
        for entry in entries:
            try:
                if entry.name in names or not entry.is_file(follow_symlinks=False):
                    continue
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Sibling(
                Path(entry.path),
                (status.st_dev, status.st_ino),
                status.st_mtime_ns,
                _number(entry.name, names),
                any(_is_rotated(entry.name, name) for name in names),
            )


def is_archive(path: Path) -> bool:
    """Whether a file is packed, by its name."""
    return _PACKED.search(path.name) is not None


def _number(name: str, of: set[str]) -> int | None:
    base, _, number = _PACKED.sub("", name).rpartition(".")
    return int(number) if base in of and re.fullmatch(r"\d{1,5}", number) else None


def _is_rotated(name: str, of: str) -> bool:
    """Whether a name is another's with figures added, or with other figures (where a link pointed before)."""
    bare = _PACKED.sub("", name)
    stem, dot, suffix = of.rpartition(".")
    figures = r"[.\-_]\d[\d.\-_T]*"
    patterns = [re.escape(of) + figures]
    if stem:
        patterns.append(re.escape(stem) + figures + re.escape(dot + suffix))
    if re.search(r"\d", of):
        patterns.append(re.sub(r"\d+", r"\\d+", re.escape(of)))
    return any(re.fullmatch(pattern, bare) for pattern in patterns)


def _bare(path: Path) -> Path:
    return path.with_name(_PACKED.sub("", path.name))


def _inode(path: Path) -> int | None:
    found = identity_of(path)
    return found[1] if found else None
