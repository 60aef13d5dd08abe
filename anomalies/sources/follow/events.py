"""What following a file yields beside its lines: how far it is, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass

from .position import Position


@dataclass(frozen=True, slots=True)
class Reached:
    """All lines before ``position`` were handed over; None: there is no file yet.

    ``idle``: nothing new came, so there is time to store what is open.
    """

    position: Position | None
    idle: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Something was not read, or the file began anew; ``lost`` bytes, None where nobody can know how many."""

    words: str
    lost: int | None
