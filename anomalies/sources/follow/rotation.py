"""Rotation: finding a file after it was rotated, and the files written after it.

A rotated file lies in the folder of the followed file (or in that of its link's target), under its name with
figures added: ``app.log.1``, ``app.log-20261123``, ``app-2026-11-23.log``, compressed or not. Among names
like ``app.log.1`` the larger number is the older file; all others are ordered by modification time. A name
alone proves nothing, because rotation renames all of them: a file counts as the one that was read only if
its content up to the position matches the position's hashes.
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
    """A file beside the followed one. ``number`` is the 1 of ``app.log.1``, None for other names;
    ``modified`` is in nanoseconds since 1970."""

    path: Path
    identity: Identity
    modified: int
    number: int | None
    rotated: bool  # its name is that of a rotated file

    def is_after(self, other: Sibling) -> bool:
        """True if it was written after ``other``."""
        if self.number is not None and other.number is not None:
            # Number and time must agree: some programs give the larger number to the newer file.
            return self.number < other.number and self.modified >= other.modified
        return self._key() > other._key()

    def _key(self) -> tuple[int, list[int], str]:
        figures = [int(digits) for digits in re.findall(r"\d+", self.path.name)]
        return self.modified, [-self.number] if self.number is not None else figures, self.path.name


def identity_of(path: Path) -> Identity | None:
    """Device and inode of the file that has this name now; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def locate(path: Path, position: Position) -> Source | None:
    """The file of a position under its present name, opened at the position; None if it is gone.

    It is the same file (device and inode; after a reboot perhaps the inode alone) with the same content up
    to the position, else a copy of it. Raises OSError if the same file can't be read.
    """
    found = siblings(path)
    same = [each for each in [path, *(one.path for one in found)] if _inode(each) == position.inode]
    here = (position.device, position.inode)
    for each in sorted(same, key=lambda one: identity_of(one) != here):
        if source := _opened_at(each, position):
            return source
    return _copy(path, found, position)


def _copy(path: Path, found: list[Sibling], position: Position) -> Source | None:
    """A file with another inode and the same content: compressed, or copied before the truncation."""
    if position.head.length == 0:
        return None
    since = position.modified // _SECOND  # archives keep whole seconds only
    later = [one for one in found if one.rotated and one.modified // _SECOND >= since]
    candidates = [one.path for one in oldest_first(later)]
    if position.head.length == MARK_BYTES:  # little content may be the same by chance, and lines lost
        candidates.append(path)
    for each in candidates:
        try:
            if source := _opened_at(each, position):
                return source
        except OSError:  # unreadable for this user, so it can't be compared
            continue
    return None


def has_head(path: Path, head: Mark) -> bool:
    """True if a readable file begins with the bytes of ``head``; False for an empty ``head``."""
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
    """The rotated files written after ``source``, or, if that is gone, after ``position``; oldest first.

    ``current``, the file that has the followed name, is left out.
    """
    listed = siblings(path)
    mine = _among(listed, source, position) if source else None
    found = [one for one in listed if one.identity != current]
    if mine is None:
        return oldest_first([one for one in found if one.rotated and one.modified > position.modified])
    return oldest_first([one for one in found if one.rotated and one.is_after(mine)])


def _among(found: list[Sibling], source: Source, position: Position) -> Sibling | None:
    """The sibling that is this open file, or that it was compressed into."""
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
    """The siblings in the order in which they were written; of a file and its archive only the file."""
    plain = {one.path for one in found}
    kept = [one for one in found if (bare := _bare(one.path)) == one.path or bare not in plain]
    return sorted(kept, key=lambda one: (-one.number if one.number is not None else 0, *one._key()))


def siblings(path: Path) -> list[Sibling]:
    """The regular files beside ``path``. Listed until two listings agree: a file renamed during a listing may
    be missing in it."""
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
    """True if a file's name is that of an archive."""
    return _PACKED.search(path.name) is not None


def _number(name: str, of: set[str]) -> int | None:
    base, _, number = _PACKED.sub("", name).rpartition(".")
    return int(number) if base in of and re.fullmatch(r"\d{1,5}", number) else None


def _is_rotated(name: str, of: str) -> bool:
    """True if ``name`` is ``of`` with figures added, or with other figures (a link's former target)."""
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
