"""Logs as JSON: the message is scored, the other fields by their paths."""

from collections.abc import Sequence
from typing import Any

from ....events import Event, event_from_line, safe
from ....scoring.scorers import Kind
from ...base import Result
from ...requests import request_of
from ...times.timestamps import TimestampReader
from ..moments import moment_of_value, times_of
from ..parsing import Record
from ..reader import RemarkingReader, logged_row, records_in, text_of_line, text_of_record, time_in
from .messages import MOST_OF_MESSAGE, Message, message_of

_MOSTLY = 0.5
_ENOUGH = 10  # records, before all having the same message means that it says little
_COMMANDS = ("index", "create", "update", "delete")
_TARGETS = (
    "_index", "_id", "_type", "_routing", "routing", "pipeline", "op_type", "require_alias",
    "require_data_stream", "dynamic_templates", "if_seq_no", "if_primary_term", "version", "version_type",
    "retry_on_conflict",
)  # fmt: skip


class JsonLogs(RemarkingReader):
    """Log records, alone, in envelopes and in containers. What is no record is scored as text."""

    kind: Kind = "logs"

    def __init__(self, clock: TimestampReader, records: Sequence[Record] = ()) -> None:
        """Learn the layout of the times from the first records; AmbiguousDates where it can't be known."""
        super().__init__(clock)
        learn_times(records, clock)
        self.notes = (clock.note,) if clock.note else ()
        untimed = [record for record in records if time_in(record, clock)[0] is None]
        self._has_times = len(untimed) < _MOSTLY * max(1, len(records))
        if untimed and not self._has_times:
            clock.learn([message_of(record).text for record in untimed])
        self._says_request = _say_little(records)

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        if _is_command(value):
            return ()
        return [
            self._of_record(number, record, text_of_line(raw) if alone else text_of_record(record))
            for record, alone in records_in(value)
        ]

    def _of_record(self, number: int, record: Any, text: str) -> Event:
        if not isinstance(record, dict):
            row = logged_row(record, self._clock)
            if row is None:
                return self._event(number, text, None)
            record = row
        moment, times = time_in(record, self._clock)
        said = message_of(record, times)
        if moment is None and said.time:
            moment = self._clock.read_field(said.time)
        if moment is None and not self._has_times:
            moment = self._clock.read(said.text)
        own, line = self._numbers.take(number)
        message = _with_request(said) if self._says_request else said.text
        return Event(own, text, moment, message, said.fields, line=line)

    def _of_text(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        own, line = self._numbers.take(number)
        return (event_from_line(own, raw, full_length, self._clock)._replace(line=line),)

    def _of_cut(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        return self._of_text(number, raw, full_length)


def learn_times(records: Sequence[Any], clock: TimestampReader) -> None:
    """Learn from records how the texts are written that are their times."""
    texts = []
    for record in records:
        candidates = times_of(record, clock.time_field) if isinstance(record, dict) else ()
        texts += [text for _, value in candidates if (text := _written(value))][:1]
    if texts and any(moment_of_value(text, clock) is None for text in texts):
        clock.learn_fields(texts)


def _say_little(records: Sequence[Record]) -> bool:
    """Return whether records of requests all have the same message, such as "handled request"."""
    said = [one for one in map(message_of, records) if request_of(one.fields)]
    return len(said) >= _ENOUGH and len({one.text for one in said}) == 1


def _with_request(said: Message) -> str:
    """Return a message with the request that it is about."""
    request = " ".join(str(value) for _, value in request_of(said.fields))
    return safe(f"{said.text} {request}".rstrip(), MOST_OF_MESSAGE)


def _is_command(value: Any) -> bool:
    """Return whether an object is a command about the next one, as in Elasticsearch's bulk requests."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, target),) = value.items()
    return name in _COMMANDS and isinstance(target, dict) and all(key in _TARGETS for key in target)


def _written(value: Any) -> str:
    return value if isinstance(value, str) and not value.isdecimal() else ""
