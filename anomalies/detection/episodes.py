"""Episodes: alarms that are close together, merged, since one incident shows in many lines and views."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .compression import Figures, measure
from .events import Event
from .lines.levels import severity_of
from .scoring.surprise import Reader, Surprise
from .scoring.views import Candidate
from .significance import Significance

KEPT = 200  # lines of an episode, so that one which never ends stays in bounds
TOUCH = 3  # windows: what is no further apart belongs together, as what is newer is left out of a record
_MOST_ODD = 2_000  # odd lines that are remembered
_MOST_CANDIDATES = 12
_CLOSE = 5  # lines: those of one message


@dataclass(frozen=True, slots=True)
class Line:
    """An event as the detector keeps it, its normalised text, and its own time or the last one before."""

    event: Event
    normal: str
    known_time: datetime | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """A test that was passed, or the oddest that was not: what departs at an event, and the lines around it.

    `position` is that of the event among all that were seen, `lines` end with it. `trained` is the number of
    the last event of a baseline, 0 without one.
    """

    position: int
    baseline: tuple[Line, ...]
    lines: tuple[Line, ...]
    candidates: tuple[Candidate, ...]
    significance: Significance
    trained: int = 0

    @property
    def begin(self) -> int:
        """The position of its first line."""
        return self.position - len(self.lines) + 1

    @property
    def height(self) -> tuple[float, float]:
        """The sort key of alarms: the most significant is the largest; of equals the one with more bits."""
        return -self.significance.p_value, max(one.bits for one in self.candidates)

    def figures(self) -> Figures:
        """Return its compression figures, over normalised text; only rows that are written need them."""
        return measure(_text(self.baseline), _text(self.lines))


def _text(lines: Sequence[Line]) -> bytes:
    return "".join(line.normal + "\n" for line in lines).encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Read:
    """A line of an episode, what it costs given the episode's baseline, and whether a view named it."""

    line: Line
    surprise: Surprise
    odd: bool


@dataclass(slots=True)
class Course:
    """The state of an open episode: all that is needed to continue it.

    `candidates` has of each thing what departed most, `odd` the numbers of the lines that views named,
    `flagged` the time of the event that began it.
    """

    is_text: bool
    baseline: tuple[Line, ...]
    peak: Alarm
    rarest: Significance
    first_line: int
    last_line: int
    end: int
    flagged: datetime | None
    windows: int = 0
    events: int = 0
    candidates: list[Candidate] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Episode:
    """Alarms in the order of the stream, none further from the one before than three windows.

    `peak` gives the figures and `rarest` the p-value: the least one, since each alarm is ranked in the past
    before it, and a late one among its own episode's.
    """

    def __init__(self, course: Course) -> None:
        self.course = course
        self._reader: Reader | None = None  # made when lines are first read

    @classmethod
    def begun(cls, alarm: Alarm, is_text: bool = True) -> "Episode":
        """Return the episode of one alarm; `is_text`: of logs or LLM traffic."""
        first, time = alarm.lines[0].event.number, alarm.lines[-1].known_time
        end = alarm.begin - 1
        episode = cls(Course(is_text, alarm.baseline, alarm, alarm.significance, first, first, end, time))
        episode.add(alarm)
        return episode

    def reaches(self, position: int, window: int) -> bool:
        """Return whether an alarm at this position would belong to the episode; `window` in events."""
        return position <= self.course.end + TOUCH * window

    def add(self, alarm: Alarm) -> None:
        """Add the next alarm, which the episode must reach."""
        course = self.course
        course.windows += 1
        course.peak = max(course.peak, alarm, key=lambda one: one.height)
        course.rarest = min(course.rarest, alarm.significance, key=lambda found: found.p_value)
        new = alarm.position - course.end
        course.lines += alarm.lines[max(0, len(alarm.lines) - new) :]
        course.events += new
        for candidate in alarm.candidates:
            self._add(candidate)
        if len(course.lines) > 2 * KEPT:
            course.lines = self._kept_lines()
        course.end = alarm.position
        course.last_line = alarm.lines[-1].event.number

    def _add(self, candidate: Candidate) -> None:
        course = self.course
        if len(course.odd) < _MOST_ODD:
            known = set(course.odd)
            course.odd += [number for number in candidate.lines if number not in known]
        for index, one in enumerate(course.candidates):
            if (one.view, one.thing) == (candidate.view, candidate.thing):
                larger = max(one, candidate, key=lambda each: each.bits)
                course.candidates[index] = larger._replace(p_value=min(one.p_value, candidate.p_value))
                return
        course.candidates.append(candidate)
        if len(course.candidates) > _MOST_CANDIDATES:
            course.candidates.remove(max(course.candidates, key=_rank))

    def end_with(self, following: Sequence[Line]) -> None:
        """Add the lines after the last alarm, up to the last one that is odd beside the baseline."""
        course = self.course
        if not self._has_new_text:
            return
        reader = self._read_baseline()
        odd = [at for at, line in enumerate(following, 1) if reader.usual.finds_odd(reader.read(line.normal))]
        if odd:
            course.lines += following[: odd[-1]]
            course.events += odd[-1]
            course.last_line = following[odd[-1] - 1].event.number

    def kept(self) -> list[Read]:
        """Return the episode's lines, odd ones before others, 200 at most, in the order of the stream.

        Every line is read given the baseline before the first one. The model learns nothing on the way, so
        the tenth odd line is as odd as the first. A line is odd that a view named; where text is new also one
        that costs more beside the baseline than 19 in 20 lines of it do. An odd line that is older than what
        the detector held stands before the others.
        """
        course = self.course
        named = set(course.odd)
        if course.is_text:
            reader = self._read_baseline()
            surprises = [reader.read(line.normal) for line in course.lines]
            dear = [self._has_new_text and reader.usual.finds_odd(one) for one in surprises]
        else:
            surprises = [self._own_bits(line) for line in course.lines]
            dear = [False] * len(surprises)
        reads = [
            Read(line, surprise, is_dear or line.event.number in named)
            for line, surprise, is_dear in zip(course.lines, surprises, dear, strict=True)
        ]
        first = sorted(reads, key=lambda read: (not read.odd, read.line.event.number))[:KEPT]
        return [*self._older(), *sorted(first, key=lambda read: read.line.event.number)]

    def _read_baseline(self) -> Reader:
        """Return a reader that has learnt the baseline, which is that of the first alarm."""
        if self._reader is None:
            self._reader = Reader([line.normal for line in self.course.baseline])
        return self._reader

    @property
    def _has_new_text(self) -> bool:
        return self.course.is_text and any(one.view == "text" for one in self.course.candidates)

    def _own_bits(self, line: Line) -> Surprise:
        """Return the bits of the candidates that name a line: values and sessions are scored one by one."""
        bits = max(
            (one.bits for one in self.course.candidates if line.event.number in one.lines), default=0.0
        )
        return Surprise(bits, bits)

    def place(self, number: int) -> str:
        """Return where an event stands (`Event.place`): a record and its line, or a line."""
        known = (*self.course.baseline, *self.course.lines)
        found = next((line.event.place for line in known if line.event.number == number), "")
        if found:
            return found
        if number <= 0:
            return self._of_baseline(number, "").place
        unit = "record" if known and known[-1].event.line else "line"
        return f"{unit} {number:,}"

    def _of_baseline(self, number: int, text: str) -> Event:
        """The event of a baseline that is no longer held."""
        return Event(number, text, None, line=self.course.peak.trained + number)

    def ranked(self) -> list[Candidate]:
        """Return what departed, the most significant first.

        New lines that stand close together are one message in several lines (an error, its statement): of
        those the most severe one comes first, of equals the more significant.
        """
        ranked = sorted(self.course.candidates, key=_rank)
        if not ranked or not self._is_new_line(ranked[0]):
            return ranked
        texts = {line.event.number: line.event.scored for line in self.course.lines}
        close = [one for one in ranked if self._is_new_line(one) and abs(one.odd - ranked[0].odd) <= _CLOSE]
        first = max(close, key=lambda one: severity_of(texts.get(one.odd, "")))
        return [first, *(one for one in ranked if one is not first)]

    def _is_new_line(self, candidate: Candidate) -> bool:
        return self.course.is_text and candidate.view == "text" and not candidate.said

    def _kept_lines(self) -> list[Line]:
        lines, odd = self.course.lines, set(self.course.odd)
        if len(lines) <= KEPT:
            return lines
        first = sorted(lines, key=lambda line: (line.event.number not in odd, line.event.number))[:KEPT]
        return sorted(first, key=lambda line: line.event.number)

    def _older(self) -> list[Read]:
        """The lines that show an absence: they may be older than what the detector held."""
        lines = self.course.lines
        held = {line.event.number for line in (*self.course.baseline, *lines)}
        return [
            Read(Line(self._older_event(one), one.text, None), Surprise(one.bits, 0.0), True)
            for one in sorted(self.course.candidates, key=lambda one: one.odd)
            if one.text and one.odd < lines[0].event.number and one.odd not in held
        ]

    def _older_event(self, candidate: Candidate) -> Event:
        if candidate.odd <= 0:
            return self._of_baseline(candidate.odd, candidate.text)
        return Event(candidate.odd, candidate.text, None)


def _rank(candidate: Candidate) -> tuple[float, float, int]:
    return candidate.p_value, -candidate.bits, candidate.odd
