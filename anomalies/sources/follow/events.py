"""Events of following a file besides its lines: the position reached, and gaps that could not be read."""

from __future__ import annotations

from dataclasses import dataclass

from .position import Position


@dataclass(frozen=True, slots=True)
class Reached:
    """All lines before ``position`` were yielded; None means that there is no file yet.

    With ``idle`` nothing new was written, so there is time to store what is pending.
    """

    position: Position | None
    idle: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Content was not read, or the file was truncated; ``lost`` is in bytes, None if unknown."""

    words: str
    lost: int | None
