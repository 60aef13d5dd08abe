"""The detector of one stream: it tests events one by one and yields the episodes that it found.

Each event is scored by several models; the p-values of what departs are combined (`significance.joined`),
both thresholds are applied, and alarms that are close become one episode. docs/detection.md has the method
and its sources.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import Any

from .acknowledged import Acknowledged
from .episodes import Alarm, Course, Episode, Line
from .events import Event
from .findings import Finding, finding_of
from .formats.kinds import GUESSED_FROM, format_for
from .formats.times.timestamps import TimestampReader
from .parameters import Parameters
from .review import Review
from .scoring.own_past import WINDOW
from .scoring.scorers import SCORERS, Kind
from .scoring.views import Candidate
from .significance import Significance, joined
from .state_json import from_plain, to_plain

STATE = 5  # the form of a saved state


def detect(
    stream: Iterable[Event | str | bytes], parameters: Parameters | None = None, kind: Kind = "logs"
) -> Iterator[Finding]:
    """Yield what is found in a whole stream, each episode as soon as it is closed.

    `stream` holds events, as `event_from_line` and `formats` make them, or lines. Those are read by their
    format, which the first 100 determine; lines of another format are left out, and so are times without a
    year. Memory does not grow with the stream. Raises FormatError for lines that can't be of this kind.
    """
    detector = Detector(parameters or Parameters(), kind)
    yield from detector.feed(_read(stream, kind))
    yield from detector.finish()


def _read(stream: Iterable[Event | str | bytes], kind: Kind) -> Iterator[Event]:
    rest = iter(stream)
    head = list(islice(rest, GUESSED_FROM))
    lines = [_bytes(one) for one in head if not isinstance(one, Event)]
    form = format_for(kind, lines, TimestampReader(None)) if lines else None
    for number, one in enumerate(chain(head, rest), 1):
        if isinstance(one, Event):
            yield one
        elif form is not None:
            line = _bytes(one)
            yield from (event for event in form.read(number, line, len(line)) if isinstance(event, Event))
    if form is not None:
        yield from (event for event in form.finish() if isinstance(event, Event))


def _bytes(line: str | bytes) -> bytes:
    return line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")


class Detector:
    """A detector of episodes in one stream. It uses no clock and no randomness: the same events give the same
    findings, in whatever pieces they are fed, and with its state saved and loaded between any two of them.

    Each event is judged once, when it comes, by the views of its kind (`scoring.views`). A test is made every
    `hop_size` events once baseline and window are full. It is passed by what departs with a novelty of at
    least `ncd_threshold`, where the p-value of all views together is below `p_value_threshold`.
    `events_seen`, `windows_tested` and `windows_flagged` count what was fed so far; the number of tests times
    the p threshold is how many are expected to be passed by chance.
    """

    def __init__(self, parameters: Parameters, kind: Kind = "logs") -> None:
        if kind not in SCORERS:
            raise ValueError(f'"{kind}" is not a kind of stream; the kinds are {", ".join(SCORERS)}')
        self.events_seen = 0
        self.windows_tested = 0
        self.windows_flagged = 0
        self._trained = 0  # the number of the last event of a baseline, in that
        self._parameters = parameters
        self._kind = kind
        self._span = parameters.baseline_size + parameters.window_size
        self._lines: deque[tuple[Event, datetime | None]] = deque(maxlen=self._span + WINDOW)
        self._scorer = SCORERS[kind](parameters)
        self._is_text = kind in ("logs", "llm")
        self._pending: list[Candidate] = []
        self._near: list[Candidate] = []
        self._review = Review(parameters.review_per_day, self._is_text)
        self._acknowledged = Acknowledged()
        self._is_taught = False  # something of it was acknowledged
        self._episode: Episode | None = None
        self._known_time: datetime | None = None

    def feed(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Yield each episode as soon as no alarm can belong to it any more, and what is for review.

        Memory does not grow with the events. What is still open when they end stays open: `finish`.
        """
        hop, span = self._parameters.hop_size, self._span
        keep, score = self._lines.append, self._scorer.take
        for event in events:
            self.events_seen = seen = self.events_seen + 1
            if event.timestamp is not None:
                self._known_time = event.timestamp
            keep((event, self._known_time))
            found = score(event, not (self._is_taught and self._acknowledged.holds(event)))
            if found:
                self._pending += found
            if seen >= span and (hop == 1 or (seen - span) % hop == 0):
                self.windows_tested += 1
                if self._episode or self._pending:
                    yield from self._test()

    def finish(self) -> Iterator[Finding]:
        """Yield what is still open. Fed again, it continues in the same stream, with a new episode."""
        yield from self._close()
        yield from (self._finding(episode, review=True) for episode in self._review.finish())

    def close_episode(self) -> Iterator[Finding]:
        """Yield the open episode, if there is one: for a stream that has fallen silent."""
        yield from self._close()

    def acknowledge(self, acknowledged: Acknowledged) -> None:
        """Remove what analysts acknowledged from all that was learnt, and do not learn it from now on.

        What they dismissed stays: it is normal for the stream.
        """
        self._acknowledged, self._is_taught = acknowledged, bool(acknowledged)
        if acknowledged:
            self._scorer.leave_out(acknowledged)

    def train(self, events: Iterable[Event], last: int) -> None:
        """Learn a baseline: events of another source of this kind that are known to be good. Nothing is found
        in them; the first event of the stream is compared with them.

        It is for a new detector. Their numbers increase and end with 0, which is the event that has the
        number `last` in its own source.
        """
        self._trained = last
        self._scorer.train(self._kept(events))
        self._known_time = None  # an event without a time has none of another source

    def _kept(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield events, and keep the last ones as the lines before the first window."""
        for event in events:
            self.events_seen += 1
            if event.timestamp is not None:
                self._known_time = event.timestamp
            self._lines.append((event, self._known_time))
            yield event

    def knows(self, event: Event) -> bool:
        """Return whether something of this event came before: its pattern, a series or a step of it."""
        return self._scorer.knows(event)

    def state(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values, from which `load` makes a detector that continues."""
        return {
            "form": STATE,
            "kind": self._kind,
            "parameters": asdict(self._parameters),
            "counts": [self.events_seen, self.windows_tested, self.windows_flagged],
            "trained": self._trained,
            "lines": [[to_plain(event), to_plain(time)] for event, time in self._lines],
            "scorer": self._scorer.state(),
            "pending": to_plain(self._pending),
            "near": to_plain(self._near),
            "review": self._review.state(),
            "episode": to_plain(self._episode and self._episode.course),
            "known_time": to_plain(self._known_time),
        }

    @classmethod
    def load(cls, state: dict[str, Any], parameters: Parameters | None = None) -> "Detector":
        """Return a detector that continues where the one that gave this `state` stopped.

        With other `parameters` than it had the thresholds are these from now on; where the sizes differ, what
        was learnt stays, and windows begin again. Raises ValueError, TypeError or KeyError for what `state`
        did not give.
        """
        if state["form"] != STATE:
            raise ValueError(
                f"it is of form {state['form']}, of another version of the detector; this reads {STATE}"
            )
        former = Parameters(**state["parameters"])
        detector = cls(parameters or former, state["kind"])
        detector._scorer.restore(state["scorer"])
        detector._trained = state["trained"]
        if detector._parameters.sizes == former.sizes:
            detector._restore(state)
        return detector

    def _restore(self, state: dict[str, Any]) -> None:
        self.events_seen, self.windows_tested, self.windows_flagged = state["counts"]
        self._lines.extend(
            (from_plain(Event, event), from_plain(datetime | None, time)) for event, time in state["lines"]
        )
        self._pending = from_plain(list[Candidate], state["pending"])
        self._near = from_plain(list[Candidate], state["near"])
        self._review.restore(state["review"])
        course = from_plain(Course | None, state["episode"])
        self._episode = course and Episode(course)
        self._known_time = from_plain(datetime | None, state["known_time"])

    def _test(self) -> Iterator[Finding]:
        position, window = self.events_seen, self._parameters.window_size
        if self._episode and not self._episode.reaches(position, window):
            yield from self._close()
        candidates, self._pending = self._pending, []
        if not candidates:
            return
        least = self._parameters.ncd_threshold
        novel = [one for one in candidates if one.novelty >= least]
        if novel:
            p_value = joined(novel, self._scorer.weights)
            if self._parameters.is_flagged(max(one.novelty for one in novel), p_value):
                self.windows_flagged += 1
                is_text = any(one.view == "text" for one in novel)
                near, self._near = self._near_to(candidates), []
                self._flag(self._alarm(novel if is_text else [*novel, *near], p_value))
                return
        self._near = self._near_to(candidates)
        if self._parameters.review_per_day and not self._episode:
            yield from self._consider(candidates)

    def _near_to(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the lines of the last 60 of which at least a quarter was new: they explain what is flagged
        by another view (an error among the locks that it waits for)."""
        least = self._parameters.ncd_threshold / 2
        if not self._near and all(one.novelty < least for one in candidates):
            return []
        newest = self._lines[-1][0].number
        return [
            one
            for one in (*self._near, *candidates)
            if one.view == "text" and least <= one.novelty < 2 * least and newest - one.odd < WINDOW
        ]

    def _alarm(self, candidates: Sequence[Candidate], p_value: float) -> Alarm:
        """Return an alarm: candidates, their lines as far as they are kept, and the baseline before them."""
        held, window = list(self._lines), self._parameters.window_size
        named = min(number for one in candidates for number in one.lines)
        own = len(held) if held[0][0].number > 0 else sum(event.number > 0 for event, _ in held)
        begin = len(held) - min(window, own)
        least = len(held) - min(WINDOW + window, own)
        while begin > least and held[begin - 1][0].number >= named:
            begin -= 1
        if self._episode:
            begin = min(begin, max(0, len(held) - (self.events_seen - self._episode.course.end)))
        before = held[max(0, begin - self._parameters.baseline_size) : begin]
        compared = max(0, self.events_seen - self._span)
        significance = Significance(p_value, min(compared, 2_000), self._scorer.method)
        lines, baseline = self._made(held[begin:]), self._made(before)
        return Alarm(self.events_seen, baseline, lines, tuple(candidates), significance, self._trained)

    def _made(self, lines: Sequence[tuple[Event, datetime | None]]) -> tuple[Line, ...]:
        return tuple(Line(event, self._scorer.text(event), time) for event, time in lines)

    def _flag(self, alarm: Alarm) -> None:
        if self._episode:
            self._episode.add(alarm)
        else:
            self._episode = Episode.begun(alarm, self._is_text)
        self._review.drop_touching(alarm.begin, alarm.position)

    def _consider(self, candidates: Sequence[Candidate]) -> Iterator[Finding]:
        """Remember a window for review where it is among the oddest of its day that are not flagged."""
        for episode in self._review.turn_to(self._known_time, self.events_seen):
            yield self._finding(episode, review=True)
        p_value = joined(candidates, self._scorer.weights)
        height = (-p_value, max(one.bits for one in candidates))
        if self._review.wants(self.events_seen - self._parameters.window_size + 1, height):
            self._review.keep(self._alarm(candidates, p_value))

    def _close(self) -> Iterator[Finding]:
        episode, self._episode = self._episode, None
        if episode:
            behind = self.events_seen - episode.course.end
            following = [*self._lines][len(self._lines) - behind :][: self._parameters.window_size]
            if behind > 0:
                episode.end_with(self._made(following))
            yield self._finding(episode)

    def _finding(self, episode: Episode, review: bool = False) -> Finding:
        return finding_of(episode, self._parameters, review)
