"""Merge flagged windows into episodes: with a hop of one, one incident is about ten overlapping windows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .compression import Figures
from .events import Event
from .significance import Significance
from .surprise import Reader, Surprise

KEPT = 200  # lines of an episode, so that one which never ends stays in bounds


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the detector carries it.

    `normal` is its normalised text, `known_time` its timestamp or, where it has none, the last one before it.
    """

    event: Event
    normal: str
    known_time: datetime | None


@dataclass(frozen=True, slots=True)
class Window:
    """A flagged window: the position in the stream (from 1) of its first event, its lines and its figures."""

    start: int
    lines: Sequence[Line]
    figures: Figures
    significance: Significance

    @property
    def end(self) -> int:
        """The position of its last event."""
        return self.start + len(self.lines) - 1


@dataclass(frozen=True, slots=True)
class Read:
    """A line of an episode and what it cost given the episode's baseline."""

    line: Line
    surprise: Surprise
    odd: bool

    @property
    def rank(self) -> tuple[bool, float, int]:
        """Sorts the oddest first; of two equals the earlier."""
        return not self.odd, -self.surprise.rate, self.line.event.number


class Episode:
    """Flagged windows in the order of the stream, each touching or overlapping what came before it.

    Every line is read once, given the baseline before the first window. The model learns nothing on the way,
    so the tenth odd line is as odd as the first.
    """

    def __init__(self, baseline: Sequence[Line], window: Window) -> None:
        self.baseline = baseline
        self.peak = window
        self.windows = 0
        self.events = 0
        self.odd_events = 0
        self._first_odd: Read | None = None
        self._reads: list[Read] = []
        self._reader = Reader([line.normal for line in baseline])
        self._end = window.start - 1
        self._first_number = window.lines[0].event.number
        self.add(window)

    @property
    def first_line(self) -> int:
        """The number of the episode's first line in the source."""
        return self._first_number

    @property
    def last_line(self) -> int:
        """The number of the episode's last line in the source."""
        return self._last_number

    def reaches(self, start: int) -> bool:
        """Say whether a window from this position on would touch or overlap the episode."""
        return start <= self._end + 1

    def add(self, window: Window) -> None:
        """Take in the next flagged window, which the episode must reach."""
        self.windows += 1
        if _height(window) > _height(self.peak):
            self.peak = window
        self._read(window.lines[self._end + 1 - window.start :])
        self._end = window.end
        self._last_number = window.lines[-1].event.number

    def kept(self) -> list[Read]:
        """Return the oddest lines, 200 at most, in the order of the stream; at least one of them is odd.

        Where no line stands out against the baseline by itself, the dearest one is named.
        """
        kept = sorted(self._reads, key=lambda read: read.rank)[:KEPT]
        if not kept[0].odd:
            kept[0] = Read(kept[0].line, kept[0].surprise, odd=True)
        return sorted(kept, key=lambda read: read.line.event.number)

    def first_odd(self, kept: Iterable[Read]) -> Read:
        """Return the episode's first odd line, even where 200 odder ones took its place in `kept`."""
        return self._first_odd or next(read for read in kept if read.odd)

    def _read(self, lines: Sequence[Line]) -> None:
        for line in lines:
            surprise = self._reader.read(line.normal)
            read = Read(line, surprise, self._reader.finds_odd(surprise))
            self._reads.append(read)
            self.events += 1
            self.odd_events += read.odd
            if read.odd and self._first_odd is None:
                self._first_odd = read
        if len(self._reads) > 2 * KEPT:
            self._reads = sorted(self._reads, key=lambda read: read.rank)[:KEPT]


def _height(window: Window) -> tuple[float, float]:
    return window.figures.novelty, -window.significance.p_value
