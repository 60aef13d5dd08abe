"""Logs of text lines, plain or in an envelope. Nothing is ever skipped."""

from collections.abc import Sequence
from typing import Any

from ...events import MAX_CHARACTERS, Event, safe, shown_text
from ...scoring.scorers import Kind
from ..base import Numbers, Reader, Result, decoded
from ..records.logs.messages import Message, message_in_text
from ..times.timestamps import TimestampReader
from .envelopes import CRI, Envelope, Fields

_MOST_PARTS = 100  # of a line that a container's runtime has cut


class PlainLines(Reader):
    """Logs of any text: each line is scored as it stands."""

    kind: Kind = "logs"
    name = "plain lines"

    def __init__(self, clock: TimestampReader, lines: Sequence[bytes] = ()) -> None:
        """Learn the layout of the stamps from the first lines; AmbiguousDates where it can't be known."""
        self._clock = clock
        self._numbers = Numbers()
        if lines:
            clock.learn([decoded(line) for line in lines])
            self.notes = (clock.note,) if clock.note else ()

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a line; none for an empty one."""
        if not raw or raw.isspace():
            return ()
        text = shown_text(raw, full_length)
        own, line = self._numbers.take(number)
        return (Event(own, text, self._clock.read(text), "", (), (), "", (), line),)

    def state(self) -> Any:
        """Return the number of the last event, and what was learnt of the stamps."""
        return [self._numbers.last, self._clock.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._numbers.last, clock = state
        self._clock.restore(clock)


class EnvelopeLines(PlainLines):
    """Logs whose lines have an envelope: the message is scored, and what stands before it are fields."""

    def __init__(self, envelope: Envelope, clock: TimestampReader, lines: Sequence[bytes]) -> None:
        """Read lines in this envelope; those that are in none are scored as they stand."""
        super().__init__(clock, lines)
        self.name = envelope.name
        self._unwrap = envelope.unwrap

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a line; none for an empty one."""
        if not raw or raw.isspace():
            return ()
        text = shown_text(raw, full_length)
        found = self._unwrap(text)
        moment = self._clock.read(text)
        own, line = self._numbers.take(number)
        if found is None:
            return (Event(own, text, moment, line=line),)
        message, fields, time = found
        if moment is None and time:
            moment = self._clock.read_field(time)
        inner = message_in_text(message)
        if inner:
            message, fields = inner.text, _joined(fields, inner)
        return (Event(own, text, moment, message.strip(), fields, (), "", (), line),)


class ContainerLines(EnvelopeLines):
    """Logs of containers as their runtime writes them (CRI): a long line comes in parts, marked P but for the
    last one."""

    def __init__(self, clock: TimestampReader, lines: Sequence[bytes]) -> None:
        """Read lines of `time stream flag message`."""
        super().__init__(CRI, clock, lines)
        self._parts: dict[str, list[Any]] = {}  # by stream: the first part's line, and the parts

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a whole line; none for a part of one."""
        found = CRI.unwrap(shown_text(raw, full_length)) if raw else None
        if found is None:
            return super().read(number, raw, full_length)
        fields = dict(found[1])
        stream = str(fields["stream"])
        if fields["flag"] == "P" and len(self._parts.get(stream, ())) < _MOST_PARTS:
            self._parts.setdefault(stream, [number]).append(found[0])
            return ()
        results = super().read(number, raw, full_length)
        return [self._whole(result, stream) for result in results if isinstance(result, Event)]

    def finish(self) -> Sequence[Result]:
        """Return the lines whose last part has not come."""
        held, self._parts = self._parts, {}
        return [self._event(first, "".join(parts), ()) for first, *parts in held.values()]

    def state(self) -> Any:
        """Return the parts that are held."""
        return [super().state(), {stream: list(parts) for stream, parts in self._parts.items()}]

    def restore(self, state: Any) -> None:
        """Restore the parts that `state` returned."""
        others, self._parts = state
        super().restore(others)

    def _whole(self, event: Event, stream: str) -> Event:
        fields = tuple(field for field in event.fields if field[0] != "flag")
        if stream not in self._parts:
            return event._replace(fields=fields)
        first, *parts = self._parts.pop(stream)
        unwrapped = CRI.unwrap(event.text)
        last = unwrapped[0] if unwrapped else ""
        whole = self._event(event.number, "".join([*parts, last]), fields)
        return whole._replace(timestamp=event.timestamp, line=first)

    def _event(self, number: int, message: str, fields: Fields) -> Event:
        inner = message_in_text(message)
        if inner:
            message, fields = inner.text, _joined(fields, inner)
        return Event(number, safe(message, MAX_CHARACTERS), None, message, fields)


def _joined(fields: Fields, inner: Message) -> Fields:
    """The fields of an envelope and of the record in it; where both have a name, the inner one is meant."""
    return tuple(sorted({**dict(fields), **dict(inner.fields)}.items()))
