"""The reader of lines that each hold measurements.

Each line is an event of its own, so that the line that a finding names holds the value that it quotes. A line
that is a time alone, a comment too, is that of the samples after it which have none: this is how scrapes are
often collected in one file.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ...events import Event, shown_text
from ...scoring.scorers import Kind
from ..base import (
    FormatError,
    Numbers,
    Reader,
    Result,
    Skipped,
    decoded,
    name_of,
    number_of,
    quoted,
    too_long,
)
from ..times.timestamps import TimestampReader
from .dialect import Dialect, PointLine
from .influx import INFLUX
from .prometheus import PROMETHEUS
from .words import COLLECTD, GRAPHITE, OPENTSDB, STATSD, WAVEFRONT

# The more particular ones first.
DIALECTS = (COLLECTD, STATSD, OPENTSDB, WAVEFRONT, GRAPHITE, PROMETHEUS, INFLUX)
_MOSTLY = 0.8  # of the first lines are of a dialect
_LONGEST_TIME = 64  # characters of a line that is a time alone
_LEFT_OUT = 10  # names in a note
_ABOUT = ("CREATE DATABASE", "CREATE RETENTION POLICY")  # in an export of InfluxDB


class PointLines(Reader):
    """Lines of one dialect, each with one measurement or several of one time."""

    kind: Kind = "metrics"
    in_order = False  # an export has one series after the other

    def __init__(self, dialect: Dialect, clock: TimestampReader, points: Iterable[PointLine] = ()) -> None:
        """Read lines of this dialect; `points` are the first ones. FormatError for a time's field."""
        if clock.time_field:
            raise FormatError(
                f"line 1: the time has no name in lines of {dialect.name}; leave out --time-field"
            )
        self.name = dialect.name
        self._dialect, self._clock = dialect, clock
        self._numbers = Numbers()
        self._last: datetime | None = None  # the time of a line that is a time alone
        texts = dict.fromkeys(name for point in points for name in point.texts)
        if texts:
            shown = ", ".join(map(name_of, list(texts)[:_LEFT_OUT]))
            self.notes = (f"fields that hold no numbers are left out: {shown}",)

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a line; none for an empty one, a comment, and one without numbers."""
        if full_length > len(raw):
            return (too_long(number, raw, full_length),)
        text = decoded(raw).strip()
        if is_comment(text):
            self._set_time(text.lstrip("# "))
            return ()
        point = self._dialect.parse(text)
        if point is None:
            return () if self._set_time(text) else (self._refused(number, text),)
        moment = self._moment(point.time)
        if moment is None and point.time:
            words = (
                f"{quoted(point.time)} is no time in s, ms, µs or ns since 1970; correct it or leave it out"
            )
            return (Skipped(number, f"line {number:,}: {words}"),)
        values = tuple((name, _float(value)) for name, value in point.numbers)
        if not values:
            return ()
        own, line = self._numbers.take(number)
        return (Event(own, shown_text(raw, full_length), moment, values=values, line=line),)

    def state(self) -> Any:
        """Return the number of the last event, the last line that was a time, and what is known of times."""
        return [self._numbers.last, self._last and self._last.isoformat(), self._clock.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._numbers.last, last, clock = state
        self._last = last and datetime.fromisoformat(last)
        self._clock.restore(clock)

    def _moment(self, time: str) -> datetime | None:
        if not time:
            return self._last
        return self._clock.read_number(int(time) if time.lstrip("-").isdecimal() else float(time))

    def _set_time(self, text: str) -> bool:
        """Take the time that a line is as that of the samples after it; return whether it is one."""
        moment = self._clock.read_field(text) if text and len(text) <= _LONGEST_TIME else None
        self._last = moment or self._last
        return moment is not None

    def _refused(self, number: int, text: str) -> Skipped:
        words = f"expected {self.name}, like {self._dialect.expected}; correct or remove the line"
        return Skipped(number, f"line {number:,}: {quoted(text)}: {words}")


def point_lines(lines: Sequence[bytes], clock: TimestampReader, in_doubt: bool = False) -> PointLines | None:
    """Return the reader of lines that are measurements of a known dialect; None for others.

    `in_doubt` they need not be sure: that the stream is of metrics is known.
    """
    texts = [decoded(line).strip() for line in lines]
    written = [text for text in texts if not is_comment(text) and not _is_time(text, clock)]
    for dialect in DIALECTS:
        points = [point for text in written if (point := dialect.parse(text)) is not None]
        if not points or len(points) < _MOSTLY * len(written):
            continue
        if in_doubt or dialect.is_sure(texts, points):
            return PointLines(dialect, clock, points)
    return None


def is_comment(text: str) -> bool:
    """Return whether a line is empty, a comment, or a command in an export of InfluxDB."""
    return not text or text.startswith(("#", *_ABOUT))


def _is_time(text: str, clock: TimestampReader) -> bool:
    return len(text) <= _LONGEST_TIME and clock.read_field(text) is not None


def _float(text: str) -> float:
    number = number_of(text)
    return float("nan") if number is None else number
