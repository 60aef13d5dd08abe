"""The interface of a dialect, and what its lines are read to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

MOST_LABELS = 100  # that are read of a line


class PointLine(NamedTuple):
    """The measurements of a line: its time as it is written ('' for none), and numbers by series.

    `texts` are the names of fields that hold no number.
    """

    time: str
    numbers: tuple[tuple[str, str], ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write measurements, one line each.

    `parse` returns what a line holds, None for one of another form; `expected` is such a form, for a message;
    `is_sure` returns whether the first lines, nearly all of which are of this form, can hardly be a log.
    """

    name: str
    parse: Callable[[str], PointLine | None]
    expected: str
    is_sure: Callable[[list[str], list[PointLine]], bool]


def always(texts: list[str], points: list[PointLine]) -> bool:
    """Return that lines of this form are sure."""
    return True


def are_timed(texts: list[str], points: list[PointLine]) -> bool:
    """Return whether most of the lines have a time."""
    return 2 * sum(bool(point.time) for point in points) > len(points)
