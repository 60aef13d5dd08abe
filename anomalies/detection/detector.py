"""Slide over a stream of events, judge each window, hand over the episodes."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from .compression import measure
from .episodes import Episode, Line, Read, Window
from .events import Event
from .explaining import explain, explain_in_detail
from .findings import ContextLine, Evidence, Finding
from .memory import Memory
from .normalising import normalise
from .parameters import Parameters
from .significance import History, Significance, significance


class Detector:
    """Finds episodes in one stream. No clock and no chance is in it: the same events, the same findings.

    A window is judged by its newest line, the one whose code length falls most on text that the stream has
    not shown in that place lately: lines around it neither dilute nor hide it. It is flagged when the share
    of new text in that line, its novelty, reaches `ncd_threshold`, and its p-value, the rank of the line's
    weight among those of past windows, is below `p_value_threshold`.
    `events_seen`, `windows_tested` and `windows_flagged` count what was fed so far; that many tests times the
    p threshold is how many windows may be flagged by chance.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.events_seen = 0
        self.windows_tested = 0
        self.windows_flagged = 0
        self._parameters = parameters
        self._span = parameters.baseline_size + parameters.window_size
        self._lines: deque[Line] = deque(maxlen=self._span)
        self._history = History()
        self._memory = Memory()
        self._episode: Episode | None = None
        self._known_time: datetime | None = None

    def feed(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Yield each episode as soon as it is closed, the last one when the events end.

        Memory does not grow with the events. Fed again, the detector goes on in the same stream, with a new
        episode.
        """
        for event in events:
            yield from self._take(event)
        yield from self._close()

    def _take(self, event: Event) -> Iterator[Finding]:
        self.events_seen += 1
        self._known_time = event.timestamp or self._known_time
        normal = normalise(event.text)
        self._lines.append(Line(event, normal, self._known_time, self._memory.take(normal)))
        beyond = self.events_seen - self._span
        if beyond >= 0 and beyond % self._parameters.hop_size == 0:
            yield from self._test()

    def _test(self) -> Iterator[Finding]:
        start = self.events_seen - self._parameters.window_size + 1
        if self._episode and not self._episode.reaches(start):
            yield from self._close()
        newest = max(islice(self._lines, self._parameters.baseline_size, None), key=_weight)
        self.windows_tested += 1
        if newest.news.share >= self._parameters.ncd_threshold:
            normal = [(line.normal + "\n").encode() for line in self._lines]
            found = significance(_weight(newest), self._history, normal, self._parameters.window_size)
            if found.p_value < self._parameters.p_value_threshold:
                self._flag(start, newest, normal, found)
        self._history.add(_weight(newest))

    def _flag(self, start: int, newest: Line, normal: Sequence[bytes], found: Significance) -> None:
        self.windows_flagged += 1
        size = self._parameters.baseline_size
        lines = list(self._lines)
        window = Window(start, lines[size:], newest, measure(*self._split(normal)), found)
        if self._episode:
            self._episode.add(window)
        else:
            self._episode = Episode(lines[:size], window)

    def _split(self, normal: Sequence[bytes]) -> tuple[bytes, bytes]:
        size = self._parameters.baseline_size
        return b"".join(islice(normal, size)), b"".join(islice(normal, size, None))

    def _close(self) -> Iterator[Finding]:
        episode, self._episode = self._episode, None
        if episode:
            yield _finding(episode, self._parameters)


def _weight(line: Line) -> float:
    return line.news.weight


def _finding(episode: Episode, parameters: Parameters) -> Finding:
    kept = episode.kept()
    figures, significance = episode.peak.figures, episode.rarest
    change = figures.window_ratio - figures.baseline_ratio
    return Finding(
        timestamp=episode.first_odd.line.known_time,
        first_line=episode.first_line,
        last_line=episode.last_line,
        ncd_score=figures.ncd,
        novelty=episode.peak.newest.news.share,
        window_novelty=figures.novelty,
        p_value=significance.p_value,
        p_value_method=significance.method,
        history=significance.compared,
        compression_baseline=figures.baseline_ratio,
        compression_window=figures.window_ratio,
        compression_combined=figures.combined_ratio,
        compression_ratio_change=change / figures.baseline_ratio * 100,
        baseline_entropy=figures.baseline_entropy,
        window_entropy=figures.window_entropy,
        entropy_change=figures.window_entropy - figures.baseline_entropy,
        explanation=explain(episode, kept, parameters),
        detailed_explanation=explain_in_detail(episode, kept),
        baseline=tuple(ContextLine(line.event.number, line.event.text) for line in episode.baseline),
        window=tuple(_evidence(read) for read in kept),
        windows=episode.windows,
    )


def _evidence(read: Read) -> Evidence:
    event = read.line.event
    return Evidence(event.number, event.text, read.surprise.bits, read.odd)
