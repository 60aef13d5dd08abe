"""LLM traffic as JSON: what was said is scored, the other fields by their paths."""

from collections.abc import Sequence
from typing import Any

from ....events import Event, event_from_line, safe
from ....scoring.scorers import Kind
from ...base import Result, Skipped
from ...times.timestamps import TimestampReader
from ..logs.json_logs import learn_times
from ..reader import RemarkingReader, records_in, text_of_line, text_of_record, time_in
from .prompts import MOST_OF_PROMPT, is_prompt, prompt_of


class JsonPrompts(RemarkingReader):
    """Records of calls of a language model, alone or in batches."""

    kind: Kind = "llm"

    def __init__(self, clock: TimestampReader, records: Sequence[Any] = ()) -> None:
        """Learn from the first records how their times are written."""
        super().__init__(clock)
        learn_times(records, clock)

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        return [
            self._of_record(number, record, text_of_line(raw) if alone else text_of_record(record))
            for record, alone in records_in(value, is_prompt)
        ]

    def _of_record(self, number: int, record: Any, text: str) -> Result:
        message, fields = prompt_of(record) if isinstance(record, dict) else ("", ())
        if not message:
            words = 'expected a text, like "prompt" or "messages"; add it or remove the line'
            return Skipped(number, f"line {number:,}: {words}")
        moment, times = time_in(record, self._clock)
        own, line = self._numbers.take(number)
        kept = tuple(field for field in fields if field[0] not in times)
        return Event(own, text, moment, message, kept, line=line)

    def _of_cut(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        # A record longer than what is read of a line is whole where it came from: its beginning is scored.
        own, line = self._numbers.take(number)
        event = event_from_line(own, raw, full_length, self._clock)
        message = safe(raw.decode("utf-8", "backslashreplace"), MOST_OF_PROMPT)
        return (event._replace(message=message, line=line),)
