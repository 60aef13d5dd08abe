"""How far a stream was read, in plain values that find the place again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

MARK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """Some bytes of a file, known again by their length and SHA-256."""

    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Mark:
        """The mark of these bytes."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Position:
    """The place before the first byte that was not handed over, in a file that may have another name by now.

    ``offset`` counts bytes of the file (unpacked, where it was packed meanwhile), and is a line's beginning
    unless ``cut``: then the last line was handed over before its end had come. ``number`` is the last line's
    over the whole life of the stream. ``head`` marks the first bytes of the file, up to 1 KiB of what was
    there at that time, ``tail`` up to 1 KiB before ``offset``; ``modified`` is when it was last written, in
    nanoseconds since 1970; ``former`` marks the head of the file before it, None for the first.
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
        """Whether its file was empty, so that no content tells which it is."""
        return self.head.length == 0

    def as_json(self) -> dict[str, Any]:
        """It as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Position:
        """It from plain values; raises ValueError where these are none of ``as_json``."""
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
