"""Slide over a stream of events, judge each window, hand over the episodes."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import Any

from .acknowledged import Acknowledged
from .episodes import Course, Episode, Line, Window
from .events import Event
from .findings import Finding, finding_of
from .formats.kinds import GUESSED_FROM, format_for
from .formats.times.timestamps import TimestampReader
from .parameters import Parameters
from .review import Review
from .scoring.scorers import CODERS, Kind
from .significance import History, Judged, Significance, Weights, conformal, significance
from .state_json import from_plain, to_plain

STATE = 2  # the form of a saved state


def detect(
    stream: Iterable[Event | str | bytes], parameters: Parameters | None = None, kind: Kind = "logs"
) -> Iterator[Finding]:
    """Yield what is found in a whole stream, each episode as soon as it is closed.

    `stream` holds events, as `event_from_line` and `formats` make them, or lines. Those are read by their
    format, which the first 100 tell, and what is not of it is left out. A time that names no year is none.
    Memory does not grow with the stream. Raises FormatError for lines that can't be of this kind.
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
    """Finds episodes in one stream. No clock and no chance is in it: the same events, the same findings,
    in whatever pieces they are fed, and with its state saved and loaded between any two of them.

    Each event is weighed once, by the coder of the stream's kind. A window is ranked among the stream's past
    windows by the weight of all its lines, and by its newest line alone, the heaviest one: lines around it
    neither dilute nor hide it. It is flagged when its p-value is below `p_value_threshold` and the novelty of
    its newest line, the share that the stream has not shown in that place lately, reaches `ncd_threshold`.
    `events_seen`, `windows_tested` and `windows_flagged` count what was fed so far; that many tests times the
    p threshold is how many windows may be flagged by chance.
    """

    def __init__(self, parameters: Parameters, kind: Kind = "logs") -> None:
        if kind not in CODERS:
            raise ValueError(f'"{kind}" is no kind of stream; the kinds are {", ".join(CODERS)}')
        self.events_seen = 0
        self.windows_tested = 0
        self.windows_flagged = 0
        self._parameters = parameters
        self._kind = kind
        self._span = parameters.baseline_size + parameters.window_size
        self._lines: deque[Line] = deque(maxlen=self._span)
        self._coder = CODERS[kind](parameters)
        self._is_text = kind in ("logs", "llm")
        self._history = History(self._coder.history)
        self._review = Review(parameters.review_per_day, self._is_text)
        self._acknowledged = Acknowledged()
        self._episode: Episode | None = None
        self._known_time: datetime | None = None

    def feed(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Yield each episode as soon as no window can touch it any more, and what is for review.

        Memory does not grow with the events. What is still open when they end stays open: `finish`.
        """
        for event in events:
            yield from self._take(event)

    def finish(self) -> Iterator[Finding]:
        """Yield what is still open. Fed again, it goes on in the same stream, with a new episode."""
        yield from self._close()
        yield from (self._finding(episode, review=True) for episode in self._review.finish())

    def acknowledge(self, acknowledged: Acknowledged) -> None:
        """Let what analysts acknowledged leave baseline, memory and history, now and from now on.

        What they dismissed stays: it is what the stream is like.
        """
        self._acknowledged = acknowledged
        self._coder.leave_out(acknowledged)
        kept = [one for one in self._history.windows() if not acknowledged.covers(one.first, one.last)]
        self._history = History(self._coder.history, kept)

    def state(self) -> dict[str, Any]:
        """Return all it knows as plain JSON values. `load` makes a detector of it that goes on alike."""
        return {
            "form": STATE,
            "kind": self._kind,
            "parameters": asdict(self._parameters),
            "counts": [self.events_seen, self.windows_tested, self.windows_flagged],
            "lines": to_plain(list(self._lines)),
            "coder": self._coder.state(),
            "history": to_plain(self._history.windows()),
            "review": self._review.state(),
            "episode": to_plain(self._episode and self._episode.course),
            "known_time": to_plain(self._known_time),
        }

    def close_episode(self) -> Iterator[Finding]:
        """Yield the open episode, if there is one: for a stream that has fallen silent."""
        yield from self._close()

    @classmethod
    def load(cls, state: dict[str, Any], parameters: Parameters | None = None) -> "Detector":
        """Return a detector that goes on where the one that gave this `state` was.

        With other `parameters` than it had the thresholds are these from now on; where the sizes differ, the
        stream's memory stays and windows and their history begin anew. Raises ValueError, TypeError or
        KeyError for what `state` did not give.
        """
        if state["form"] != STATE:
            raise ValueError(f"a state of form {state['form']}, not {STATE}")
        former = Parameters(**state["parameters"])
        detector = cls(parameters or former, state["kind"])
        detector._coder.restore(state["coder"])
        if detector._parameters.sizes == former.sizes:
            detector._restore(state)
        return detector

    def _restore(self, state: dict[str, Any]) -> None:
        self.events_seen, self.windows_tested, self.windows_flagged = state["counts"]
        self._lines.extend(from_plain(list[Line], state["lines"]))
        past = from_plain(list[Judged], state["history"])
        self._history = History(self._coder.history, past)
        self._review.restore(state["review"])
        course = from_plain(Course | None, state["episode"])
        self._episode = course and Episode(course)
        self._known_time = from_plain(datetime | None, state["known_time"])

    def _take(self, event: Event) -> Iterator[Finding]:
        self.events_seen += 1
        self._known_time = event.timestamp or self._known_time
        normal = self._coder.normal(event)
        news = self._coder.take(event, normal, not self._acknowledged.holds(event))
        self._lines.append(Line(event, normal, self._known_time, news))
        beyond = self.events_seen - self._span
        if beyond >= 0 and beyond % self._parameters.hop_size == 0:
            yield from self._test()

    def _test(self) -> Iterator[Finding]:
        size = self._parameters.baseline_size
        start = self.events_seen - self._parameters.window_size + 1
        if self._episode and not self._episode.reaches(start):
            yield from self._close()
        window = tuple(islice(self._lines, size, None))
        weights = self._coder.weigh([line.news for line in window])
        self.windows_tested += 1
        if weights.peak:
            yield from self._judge(start, window, weights)
        tested = Judged(window[0].event.number, window[-1].event.number, weights)
        if not self._acknowledged.covers(tested.first, tested.last):
            self._history.add(tested)

    def _judge(self, start: int, lines: tuple[Line, ...], weights: Weights) -> Iterator[Finding]:
        newest = max(lines, key=_weight)
        found = None
        if self._parameters.reaches(newest.news.share):
            found = self._significance(newest, weights)
        if found and self._parameters.is_flagged(newest.news.share, found.p_value):
            self.windows_flagged += 1
            self._flag(Window(start, self._baseline(), lines, newest, weights, found))
        elif not (self._episode and self._episode.reaches(start)):
            yield from self._consider(start, lines, newest, weights)

    def _significance(self, newest: Line, weights: Weights) -> Significance:
        """A metric's value has a p of its own, by the tail of its series; other windows are ranked."""
        if newest.news.p_value is not None:
            return Significance(newest.news.p_value, "tail", len(self._history), 0)
        return significance(weights, self._history, self._normal, self._parameters.window_size)

    def _normal(self) -> list[bytes]:
        return [(line.normal + "\n").encode() for line in self._lines]

    def _flag(self, window: Window) -> None:
        if self._episode:
            self._episode.add(window)
        else:
            self._episode = Episode.begun(window, self._is_text)
        self._review.drop_touching(window.start, window.end)

    def _consider(
        self, start: int, lines: tuple[Line, ...], newest: Line, weights: Weights
    ) -> Iterator[Finding]:
        """Remember the window for review where it is among the oddest of its day that are not flagged."""
        for episode in self._review.turn_to(self._known_time, self.events_seen):
            yield self._finding(episode, review=True)
        if self._review.wants(start, weights):
            found = conformal(weights, self._history)
            self._review.keep(Window(start, self._baseline(), lines, newest, weights, found))

    def _baseline(self) -> tuple[Line, ...]:
        return tuple(islice(self._lines, self._parameters.baseline_size))

    def _close(self) -> Iterator[Finding]:
        episode, self._episode = self._episode, None
        if episode:
            yield self._finding(episode)

    def _finding(self, episode: Episode, review: bool = False) -> Finding:
        return finding_of(episode, self._parameters, review)


def _weight(line: Line) -> int:
    return line.news.weight
