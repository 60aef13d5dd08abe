"""JSON that is not one value a line: arrays, objects over many lines, objects one after the other.

The values of a stream are cut off one by one. The elements of an outermost array are values of their own. A
value that is longer than the limit is cut into smaller ones of the same shape: {"a": 1, "b": [1, 2, 3]} gives
{"a": 1, "b": [1]}, {"a": 1, "b": [2, 3]}, so that a container of any size is read in bounded memory.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from .pieces import Piece

_SPACE = re.compile(r"[\s,\ufeff\x1e\x00]*")
_BETWEEN = re.compile(r"[\s,]*")
_BATCH = 64 * 1024  # characters of elements that are cut off together
_SMALL = 16 * 1024  # characters of a member that each piece of its object has
_RECORDS = re.compile(r"\[\s*\{")
_STRING_OPEN = "Unterminated string"
_NEAR = 32  # characters before the end: an error there may be for want of more


class _Unfinished(Exception):
    """A value whose end has not come yet."""


class _Members:
    """Members of an object that is cut: those that wait to be a piece, and small ones for all pieces."""

    def __init__(self, line: int) -> None:
        self.kept: list[str] = []
        self.waiting: list[str] = []
        self.line = line  # of the first one that waits
        self.size = 0  # of those that wait
        self.is_cut = False
        self.hold_records = False  # lists of objects among those that wait
        self._small: list[str] = []
        self._room = _BATCH

    def add(self, member: str, value: str, line: int) -> None:
        """Add a member whose value is this text, of the line in which it begins."""
        self.line = self.line if self.waiting else line
        self.waiting.append(member)
        self.size += len(member)
        self.hold_records = self.hold_records or _RECORDS.match(value) is not None
        if len(member) <= min(_SMALL, self._room):
            self._small.append(member)
            self._room -= len(member)

    def context(self) -> list[str]:
        """Return the small ones so far."""
        return list(self._small)

    def begin(self) -> None:
        """Begin the next piece."""
        self.kept, self.waiting, self.size = list(self._small), [], 0
        self.hold_records, self.is_cut = False, True


class JsonValues:
    """The values of a stream of JSON as pieces (`cut`), each of a limited number of characters."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._place = 0  # in the text
        self._line = 1  # of that place
        self._ended = False

    def cut(self, chunks: Iterable[bytes]) -> Iterator[Piece]:
        """Yield the values of a stream. What is no JSON is one piece a line: the format says what it is."""
        self._source = iter(chunks)
        self._bytes = getincrementaldecoder("utf-8")("replace")
        in_array = False
        while self._skip(_SPACE):
            head = self._text[self._place]
            if head == "]" or (head == "[" and not in_array and self._is_array_of_records()):
                in_array = head == "["
                self._place += 1
            else:
                yield from self._value()

    # --- values ---------------------------------------------------------------------------------------------

    def _value(self) -> Iterator[Piece]:
        began, line = self._place, self._line
        end = self._end_of_value()
        if end is None:
            if self._text[began] in "[{" and len(self._text) - began >= self._most:
                yield from self._split([])
            else:
                yield self._rest_of_line()
            return
        yield self._piece(line, self._text[began:end])
        self._move_to(end)

    def _end_of_value(self) -> int | None:
        """Return the end of the current value; None for one that is too long, or where there is none."""
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._place)
                # A number goes on as long as there are digits.
                if end < len(self._text) or self._ended or self._text[self._place] in '[{"':
                    return end
            except json.JSONDecodeError as error:
                if not self._may_go_on(error):
                    return None
            except (ValueError, RecursionError):
                return None
            if self._ended or len(self._text) - self._place >= self._most:
                return None
            self._fill(max(_BATCH, len(self._text) - self._place))

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith(_STRING_OPEN) or error.pos >= len(self._text) - _NEAR

    def _split(self, around: list[str]) -> Iterator[Piece]:
        """A value that is too long as smaller ones; `around` is what stands before it on the way in."""
        if self._text[self._place] == "[":
            self._place += 1
            yield from self._split_array(around)
        else:
            self._place += 1
            yield from self._split_object(around)

    def _split_array(self, around: list[str]) -> Iterator[Piece]:
        batch: list[str] = []
        size, line = 0, self._line
        while self._skip(_BETWEEN) and self._text[self._place] != "]":
            began, line = self._place, line if batch else self._line
            end = self._end_of_value()
            if end is None:
                if batch:
                    yield self._wrapped(line, around, batch)
                    batch, size = [], 0
                if self._text[began] not in "[{" or len(self._text) - began < self._most:
                    yield self._rest_of_line()
                    return
                yield from self._split([*around, "["])
                continue
            batch.append(self._text[began:end])
            size += end - began
            self._move_to(end)
            if size >= _BATCH:
                yield self._wrapped(line, around, batch)
                batch, size = [], 0
        if batch:
            yield self._wrapped(line, around, batch)
        self._place += 1

    def _split_object(self, around: list[str]) -> Iterator[Piece]:
        members = _Members(self._line)
        while self._skip(_BETWEEN) and self._text[self._place] != "}":
            line, name = self._line, self._member_name()
            if name is None:
                yield self._rest_of_line()
                return
            began = self._place
            end = self._end_of_value()
            if end is not None:
                members.add(f"{name}: {self._text[began:end]}", self._text[began:end], line)
                self._move_to(end)
                if members.size >= self._most:
                    yield self._object(around, members)
            elif self._text[began] in "[{" and len(self._text) - began >= self._most:
                if members.hold_records:
                    yield self._object(around, members)
                yield from self._split([*around, "{" + ", ".join([*members.context(), f"{name}: "])])
                members.begin()
            else:
                yield self._rest_of_line()
                return
        if members.hold_records or not members.is_cut:
            yield self._object(around, members)
        self._place += 1

    def _object(self, around: list[str], members: "_Members") -> Piece:
        text = f"{{{', '.join([*members.kept, *members.waiting])}}}"
        piece = self._piece(members.line, f"{''.join(around)}{text}{_closing(around)}")
        members.begin()
        return piece

    def _member_name(self) -> str | None:
        began, end = self._place, self._end_of_value()
        if end is None or self._text[began] != '"':
            return None
        name = self._text[began:end]
        self._move_to(end)
        if not self._skip(_BETWEEN) or self._text[self._place] != ":":
            return None
        self._place += 1
        self._skip(_BETWEEN)
        return name

    def _wrapped(self, line: int, around: list[str], batch: list[str]) -> Piece:
        return self._piece(line, f"{''.join(around)}[{', '.join(batch)}]{_closing(around)}")

    # --- text -----------------------------------------------------------------------------------------------

    def _is_array_of_records(self) -> bool:
        """Return whether an array holds objects or arrays, which are records; one of numbers is a record."""
        place = self._place + 1
        while place - self._place < self._most:
            match = _BETWEEN.match(self._text, place)
            place = match.end() if match else place
            if place < len(self._text) or self._ended:
                break
            self._fill(_BATCH)
        return self._text[place : place + 1] in ("{", "[", "]", "")

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Skip what the pattern matches; return False at the end of the stream."""
        while True:
            match = what.match(self._text, self._place)
            self._move_to(match.end() if match else self._place)
            if self._place < len(self._text):
                return True
            if self._ended:
                return False
            self._fill(_BATCH)

    def _rest_of_line(self) -> Piece:
        """Return the text that is not JSON, up to the end of its line."""
        began, line = self._place, self._line
        while (
            (end := self._text.find("\n", began)) < 0
            and not self._ended
            and len(self._text) - began < self._most
        ):
            self._fill(_BATCH)
        end = len(self._text) if end < 0 else end
        piece = self._piece(line, self._text[began:end])
        self._move_to(end)
        return piece

    def _piece(self, line: int, text: str) -> Piece:
        data = text.encode("utf-8", "surrogatepass")
        return Piece(line, data, len(data))

    def _move_to(self, end: int) -> None:
        self._line += self._text.count("\n", self._place, end)
        self._place = end
        if end > _BATCH and 2 * end > len(self._text):
            self._text, self._place = self._text[end:], 0

    def _fill(self, least: int) -> None:
        """Read at least `least` more characters, or all there are. Places in the text stay as they are."""
        parts, size = [self._text], 0
        while size < least and not self._ended:
            chunk = next(self._source, b"")
            self._ended = not chunk
            parts.append(self._bytes.decode(chunk, final=self._ended))
            size += len(parts[-1])
        self._text = "".join(parts)


def _closing(around: list[str]) -> str:
    return "".join("]" if opening == "[" else "}" for opening in reversed(around))
