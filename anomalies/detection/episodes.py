"""Merge flagged windows into episodes: with a hop of one, one incident is about ten overlapping windows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .compression import Figures
from .events import Event
from .memory import News
from .significance import Significance
from .surprise import Reader, Surprise

KEPT = 200  # lines of an episode, so that one which never ends stays in bounds


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the detector carries it.

    `normal` is its normalised text, `known_time` its timestamp or, where it has none, the last one before it,
    `news` how new it was to the stream when it came.
    """

    event: Event
    normal: str
    known_time: datetime | None
    news: News


@dataclass(frozen=True, slots=True)
class Window:
    """A flagged window: the position in the stream (from 1) of its first event, its lines and its figures.

    `newest` is the line of the greatest weight, which the window is judged by.
    """

    start: int
    lines: Sequence[Line]
    newest: Line
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

    `peak` gives the figures, `rarest` the p-value: the least one, for each window is ranked among the ones
    before it, and a late one among its own episode's.

    Every line is read once, given the baseline before the first window. The model learns nothing on the way,
    so the tenth odd line is as odd as the first. What is dear beside a hundred events may be old to the
    stream: a line is odd when it is dear and was news, or repeats one that was. The line that a flagged
    window was judged by is odd in any case.
    """

    def __init__(self, baseline: Sequence[Line], window: Window) -> None:
        self.baseline = baseline
        self.peak = window
        self.rarest = window.significance
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
        self.peak = max(self.peak, window, key=_height)
        self.rarest = min(self.rarest, window.significance, key=lambda found: found.p_value)
        self._read(window.lines[self._end + 1 - window.start :])
        self._name(window.newest)
        if len(self._reads) > 2 * KEPT:
            self._reads = self._oddest()
        self._end = window.end
        self._last_number = window.lines[-1].event.number

    def kept(self) -> list[Read]:
        """Return the oddest lines, 200 at most, in the order of the stream; at least one of them is odd."""
        return sorted(self._oddest(), key=_number)

    @property
    def first_odd(self) -> Read:
        """The episode's first odd line, even where 200 odder ones took its place in `kept`."""
        assert self._first_odd, "every flagged window names a line"
        return self._first_odd

    def _read(self, lines: Sequence[Line]) -> None:
        for line in lines:
            surprise = self._reader.read(line.normal)
            read = Read(line, surprise, self._is_odd(line, surprise))
            self._reads.append(read)
            self.events += 1
            if read.odd:
                self._count(read)

    def _is_odd(self, line: Line, surprise: Surprise) -> bool:
        if not self._reader.finds_odd(surprise):
            return False
        # What repeats an odd line was no news any more when it came.
        return line.news.share > 0 or any(
            read.odd and read.line.normal == line.normal for read in self._reads
        )

    def _name(self, newest: Line) -> None:
        # It may have been read with an earlier window, beside a newer line.
        for index, read in enumerate(self._reads):
            if read.line is newest and not read.odd:
                self._reads[index] = replace(read, odd=True)
                self._count(self._reads[index])

    def _count(self, read: Read) -> None:
        self.odd_events += 1
        self._first_odd = min(self._first_odd or read, read, key=_number)

    def _oddest(self) -> list[Read]:
        return sorted(self._reads, key=lambda read: read.rank)[:KEPT]


def _number(read: Read) -> int:
    return read.line.event.number


def _height(window: Window) -> tuple[float, float]:
    # Every window over the newest line has its weight; the one that holds most else that is new is shown.
    return window.newest.news.weight, window.figures.novelty
