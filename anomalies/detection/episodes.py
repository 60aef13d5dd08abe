"""Merge flagged windows into episodes: with a hop of one, one incident is about ten overlapping windows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from .compression import Figures, measure
from .events import Event
from .scoring.surprise import Reader, Surprise, Usual
from .scoring.text_memory import News
from .significance import Significance, Weights

_MOSTLY = 0.5  # of what an event weighs has to be beyond the usual
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
    """A window: the position in the stream (from 1) of its first event, the lines before it, and its own.

    `newest` is the line of the greatest weight, whose novelty the window is judged by.
    """

    start: int
    baseline: tuple[Line, ...]
    lines: tuple[Line, ...]
    newest: Line
    weights: Weights
    significance: Significance

    @property
    def end(self) -> int:
        """The position of its last event."""
        return self.start + len(self.lines) - 1

    @property
    def height(self) -> tuple[int, int]:
        """Sorts the peak of an episode last: every window over its newest line has that line's weight, and
        the one that holds most else that is new is shown."""
        return self.newest.news.weight, self.weights.total

    def figures(self) -> Figures:
        """Return what compression says of it, over normalised text: only rows that are written need that."""
        return measure(_text(self.baseline), _text(self.lines))


def _text(lines: Sequence[Line]) -> bytes:
    return "".join(line.normal + "\n" for line in lines).encode()


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


@dataclass(slots=True)
class Course:
    """How far an episode has come: all that is needed to go on with it."""

    is_text: bool
    baseline: tuple[Line, ...]
    peak: Window
    rarest: Significance
    first_line: int
    last_line: int
    end: int
    windows: int = 0
    events: int = 0
    odd_events: int = 0
    first_odd: Read | None = None
    reads: list[Read] = field(default_factory=list)


class TextReading:
    """Reads lines for an episode, given its baseline: a computation anew, beside what they were judged by."""

    def __init__(self, baseline: Sequence[Line]) -> None:
        self._reader = Reader([line.normal for line in baseline])
        self.usual = self._reader.usual

    def read(self, line: Line) -> Surprise:
        return self._reader.read(line.normal)


class OwnReading:
    """Takes for each event what it cost when it came: a value or a session says nothing of the next one."""

    def __init__(self, baseline: Sequence[Line]) -> None:
        self.usual = Usual([line.news.rate for line in baseline])

    def read(self, line: Line) -> Surprise:
        return Surprise(line.news.rate, line.news.rate)


class Episode:
    """Windows in the order of the stream, each touching or overlapping what came before it.

    `peak` gives the figures, `rarest` the p-value: the least one, for each window is ranked among the ones
    before it, and a late one among its own episode's.

    Every line is read once, given the baseline before the first window. The model learns nothing on the way,
    so the tenth odd line is as odd as the first. What is dear beside a hundred events may be old to the
    stream: a line is odd when it is dear and was news, or repeats one that was. The line that a window was
    judged by is odd in any case.
    """

    def __init__(self, course: Course) -> None:
        self.course = course
        reading = TextReading if course.is_text else OwnReading
        self._reading: TextReading | OwnReading = reading(course.baseline)

    @classmethod
    def begun(cls, window: Window, is_text: bool = True) -> "Episode":
        """Return the episode of one window and the events before it; `is_text`: of logs or LLM traffic."""
        first = window.lines[0].event.number
        course = Course(is_text, window.baseline, window, window.significance, first, first, window.start - 1)
        episode = cls(course)
        episode.add(window)
        return episode

    def reaches(self, start: int) -> bool:
        """Say whether a window from this position on would touch or overlap the episode."""
        return start <= self.course.end + 1

    def add(self, window: Window) -> None:
        """Take in the next window, which the episode must reach."""
        course = self.course
        course.windows += 1
        course.peak = max(course.peak, window, key=lambda one: one.height)
        course.rarest = min(course.rarest, window.significance, key=lambda found: found.p_value)
        self._read(window.lines[course.end + 1 - window.start :])
        self._name(window.newest)
        if len(course.reads) > 2 * KEPT:
            course.reads = self._oddest()
        course.end = window.end
        course.last_line = window.lines[-1].event.number

    def kept(self) -> list[Read]:
        """Return the oddest lines, 200 at most, in the order of the stream; at least one of them is odd."""
        return sorted(self._oddest(), key=_number)

    @property
    def first_odd(self) -> Read:
        """The episode's first odd line, even where 200 odder ones took its place in `kept`."""
        assert self.course.first_odd, "every window names a line"
        return self.course.first_odd

    def _read(self, lines: Sequence[Line]) -> None:
        for line in lines:
            surprise = self._reading.read(line)
            read = Read(line, surprise, self._is_odd(line, surprise))
            self.course.reads.append(read)
            self.course.events += 1
            if read.odd:
                self._count(read)

    def _is_odd(self, line: Line, surprise: Surprise) -> bool:
        if not self._reading.usual.finds_odd(surprise):
            return False
        if not self.course.is_text:
            return line.news.share >= _MOSTLY
        # What repeats an odd line was no news any more when it came.
        return line.news.share > 0 or any(
            read.odd and read.line.normal == line.normal for read in self.course.reads
        )

    def _name(self, newest: Line) -> None:
        # It may have been read with an earlier window, beside a newer line.
        for index, read in enumerate(self.course.reads):
            if _number(read) == newest.event.number and not read.odd:
                self.course.reads[index] = replace(read, odd=True)
                self._count(self.course.reads[index])

    def _count(self, read: Read) -> None:
        self.course.odd_events += 1
        self.course.first_odd = min(self.course.first_odd or read, read, key=_number)

    def _oddest(self) -> list[Read]:
        return sorted(self.course.reads, key=lambda read: read.rank)[:KEPT]


def _number(read: Read) -> int:
    return read.line.event.number
