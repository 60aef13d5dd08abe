"""Positions in a stream, as plain values from which the place is found again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

MARK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """A fingerprint of some bytes of a file: their length and SHA-256."""

    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Mark:
        """The mark of these bytes."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Position:
    """The place before the first byte that was not yielded, in a file that may have been renamed since.

    ``offset`` counts bytes of the uncompressed file and is the beginning of a line, unless ``cut``: then the
    last line was yielded without its end. ``number`` is the number of the last line, counted over all files
    of the stream. ``head`` marks the first bytes of the file, up to 1 KiB, ``tail`` up to 1 KiB before
    ``offset``; ``modified`` is the modification time in nanoseconds since 1970; ``former`` marks the head of
    the previous file, None for the first one.
    """

    device: int
    inode: int
    offset: int
    number: int
    modified: int
    head: Mark
    tail: Mark
    cut: bool = False
    former: Mark | None = None

    @property
    def is_blank(self) -> bool:
        """True if its file was empty and can't be recognised by content."""
        return self.head.length == 0

    def as_json(self) -> dict[str, Any]:
        """The position as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Position:
        """The position from the values of ``as_json``; raises ValueError for others."""
        try:
            head, tail = Mark(**values["head"]), Mark(**values["tail"])
            former = Mark(**values["former"]) if values["former"] else None
            position = cls(**{**values, "head": head, "tail": tail, "former": former})
        except (TypeError, KeyError) as error:
            raise ValueError(f"this is no position in a stream: {error}") from error
        if not position._is_sound():
            raise ValueError("this is no position in a stream: its values are not of their kind")
        return position

    def _is_sound(self) -> bool:
        marks = [mark for mark in (self.head, self.tail, self.former) if mark]
        counts = [self.inode, self.offset, self.number, *(mark.length for mark in marks)]
        whole = [*counts, self.device, self.modified]  # a time may be before 1970
        return (
            all(type(value) is int for value in whole)
            and min(counts) >= 0
            and all(mark.length <= MARK_BYTES and isinstance(mark.sha256, str) for mark in marks)
            and self.tail.length == min(self.offset, MARK_BYTES)
            and isinstance(self.cut, bool)
        )
