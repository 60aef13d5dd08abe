"""Metrics as JSON: records with numbers, and series as monitoring systems export them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from json import dumps
from typing import Any

from ....events import safe
from ....scoring.scorers import Kind
from ...base import MAX_VALUES, FormatError, Result, Skipped, is_id, long_form, name_of, number_of, quoted
from ...labels import labels_of, series_name
from ...times.timestamps import TimestampReader
from ..fields import DEPTH
from ..logs.json_logs import learn_times
from ..moments import NAMES, moment_of, moment_of_value
from ..parsing import Record
from ..reader import RecordReader, is_row, records_in, row_as_record, text_of_line, text_of_record
from .series import Point, points_of

_FIELDS = 400  # of a record, nested ones too
_TIMES = frozenset(NAMES)
_LABELS = ("labels", "tags", "dimensions", "attributes")
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_MOSTLY = 0.5


class JsonMetrics(RecordReader):
    """Records with numbers, nested ones too: `{"timestamp": …, "cpu": {"user": 0.5}}` gives `cpu.user`.

    Long form, `{"metric": "cpu", "labels": {"host": "a"}, "value": 0.5}`, gives `cpu{host="a"}`.
    """

    kind: Kind = "metrics"

    def __init__(self, values: Sequence[Any], clock: TimestampReader) -> None:
        """Learn from the first values which fields hold numbers; FormatError for none."""
        super().__init__(clock)
        found = [self._record(one) for value in values for one, _ in records_in(value)]
        records = [record for record in found if isinstance(record, dict)]
        learn_times(records, clock)
        seen: dict[str, list[bool]] = {}
        for record in records[:_FIELDS]:
            for name, value in _leaves(record):
                if value is not None and not (isinstance(value, str) and is_id(name)):
                    seen.setdefault(name, []).append(_as_number(value) is not None)
        self._names = {name for name, answers in seen.items() if sum(answers) >= _MOSTLY * len(answers)}
        texts = [self._texts(record) for record in records]
        self._labels = labels_of([moment_of(record, clock) for record in records], texts)
        others = sorted({*seen} - self._names - {*self._labels})
        if others:
            self.notes = (f"fields that hold no numbers are left out: {', '.join(others[:10])}",)
        if not self._names:
            raise FormatError(
                "line 1: expected a JSON object with numbers, "
                'like {"timestamp": "2026-01-31T12:00:00Z", "cpu": 0.5}; '
                "write one object a line, or name another kind of stream"
            )

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        return [
            self._of_record(
                number, self._record(record), text_of_line(raw) if alone else text_of_record(record)
            )
            for record, alone in records_in(value)
        ]

    def _record(self, value: Any) -> Any:
        return row_as_record(value, self._clock) if is_row(value) else value

    def _of_record(self, number: int, record: Any, text: str) -> Result:
        if not isinstance(record, dict):
            return Skipped(number, f"line {number:,}: {quoted(record)} is no object with numbers; write one")
        try:
            values = self._values(record)
        except ValueError as error:
            return Skipped(number, f"line {number:,}{error}")
        event = self._event(number, text, moment_of(record, self._clock))
        return event._replace(values=tuple(values.items()))

    def _texts(self, record: Record) -> dict[str, str]:
        """Return the texts of a record by name, without the metric's name and labels."""
        return {
            name: value
            for name, value in _leaves(record)
            if isinstance(value, str) and name not in self._names and not _is_given(name)
        }

    def _values(self, record: Record) -> dict[str, float]:
        """The numbers of a record by name; ValueError, whose text follows the line's number."""
        metric = record.get("metric", record.get("name"))
        metric = metric if isinstance(metric, str) else ""
        labels: Record = next((record[name] for name in _LABELS if isinstance(record.get(name), dict)), {})
        if self._labels:
            texts = self._texts(record)
            labels = {**labels, **{name: texts.get(name, "") for name in self._labels}}
        labels = labels if metric or self._labels else {}
        values: dict[str, float] = {}
        for name, value in _leaves(record):
            number = _as_number(value) if name in self._names or _is_number(value) else None
            if number is None and name in self._names:
                raise ValueError(f', field "{name}": {quoted(value)} is no number; write a number, or null')
            if number is not None and len(values) < MAX_VALUES:
                values[series_name(long_form(metric, name), labels)] = number
        if not values:
            raise ValueError(
                ': expected a field with a number, like "value": 0.5; complete the record or remove it'
            )
        return values


class JsonSeries(RecordReader):
    """Series with their points: of each time in a value one event, with what all series have then."""

    kind: Kind = "metrics"
    in_order = False  # one series comes after the other

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        points = points_of(value)
        if points is None:
            words = "holds no series of points, as the first lines do; remove it"
            return (Skipped(number, f"line {number:,} {words}"),)
        if not points:
            return (Skipped(number, f"line {number:,} holds series without points; remove it"),)
        return [result for group in self._by_time(points) for result in self._events(number, *group)]

    def _by_time(self, points: list[Point]) -> Iterator[tuple[datetime | None, list[Point]]]:
        timed = [(moment_of_value(_seconds(point.time), self._clock), point) for point in points]
        timed.sort(key=_moment)
        for _, group in groupby(timed, key=_moment):
            same = list(group)
            yield same[0][0], [point for _, point in same]

    def _events(self, number: int, moment: datetime | None, points: list[Point]) -> Iterator[Result]:
        for first in range(0, len(points), MAX_VALUES):
            part = points[first : first + MAX_VALUES]
            values = {point.name: _as_number(point.value) for point in part}
            wrong = next((point for point in part if _as_number(point.value) is None), None)
            if wrong:
                words = f"{quoted(wrong.value)} is no number; write a number, or null"
                yield Skipped(number, f'line {number:,}, series "{name_of(wrong.name)}": {words}')
                continue
            text = safe(dumps({"time": part[0].time, **{point.name: point.value for point in part}}))
            found = tuple((name, value) for name, value in values.items() if value is not None)
            yield self._event(number, text, moment)._replace(values=found)


def _is_given(name: str) -> bool:
    """Return whether a field is the metric's name or one of its labels already."""
    return name in ("metric", "name") or name.partition(".")[0] in _LABELS


def _seconds(time: Any) -> Any:
    """An epoch that is written as text or as a fraction with nothing behind its point."""
    if isinstance(time, str) and time.isdecimal() and len(time) < 20:
        return int(time)
    return time


def _moment(timed: tuple[datetime | None, Point]) -> datetime:
    return timed[0] or _LONG_AGO


def _leaves(record: Record) -> Iterator[tuple[str, Any]]:
    """The values of a record, and of the objects in it, with their dotted names."""
    for key, value in list(record.items())[:_FIELDS]:
        if key not in _TIMES or _is_small(value):
            yield from _leaves_of(value, key, DEPTH)


def _leaves_of(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth:
        for key, inner in list(value.items())[:_FIELDS]:
            yield from _leaves_of(inner, f"{name}.{key}"[:200], depth - 1)
    else:
        yield name_of(name), value


def _is_small(value: Any) -> bool:
    """Return whether a number is too small for an epoch, so that `time` or `start` is a duration."""
    return _is_number(value) and abs(value) < 10**8


def _as_number(value: Any) -> float | None:
    if value is None:
        return float("nan")
    if isinstance(value, str):
        return number_of(value)
    if not _is_number(value):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
