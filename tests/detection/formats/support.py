"""Helpers of the formats' tests: input is read as a source is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from anomalies.detection import (
    GUESSED_FROM,
    Event,
    Format,
    Result,
    TimestampReader,
    format_for,
    framing_of,
    guess,
)

from ..support import fresh_clock

__all__ = ["fresh_clock"]
MOST = 1024 * 1024


def lines_of(text: str) -> list[bytes]:
    return text.encode().splitlines()


def records(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def made_for(lines: Sequence[bytes], kind: str | None = None, clock: TimestampReader | None = None) -> Format:
    clock = clock or fresh_clock()
    return format_for(kind, lines, clock) if kind else guess(lines, clock)


def read_all(
    lines: Sequence[bytes], kind: str | None = None, clock: TimestampReader | None = None
) -> list[Any]:
    """The result of each line, none of which has several events: an event, an error, or None."""
    made = made_for(lines, kind, clock)
    return [one_of(made.read(number, line, len(line))) for number, line in enumerate(lines, 1)]


def one_of(results: Sequence[Result]) -> Result | None:
    assert len(results) < 2
    return results[0] if results else None


def cut(data: bytes, most: int = MOST, size: int = 1000) -> list[tuple[int, bytes, int]]:
    """The records that a stream is cut into, however it comes in pieces."""
    framing = framing_of(data[:size], most)
    if framing is None:
        return [(number, line, len(line)) for number, line in enumerate(data.splitlines(), 1)]
    return list(framing(data[place : place + size] for place in range(0, len(data), size)))


def read(
    data: bytes | str | Iterable[Any],
    kind: str | None = None,
    clock: TimestampReader | None = None,
    most: int = MOST,
) -> list[Any]:
    """The events of a whole input, and what is wrong with it; values are written as JSON, one a line."""
    if not isinstance(data, bytes | str):
        data = "\n".join(map(json.dumps, data))
    data = data.encode() if isinstance(data, str) else data
    pieces = cut(data, most, 64 * 1024)
    made = made_for([line for _, line, _ in islice(pieces, GUESSED_FROM)], kind, clock)
    results = [result for piece in pieces for result in made.read(*piece)]
    return [*results, *made.finish()]


def events(*arguments: Any, **named: Any) -> list[Event]:
    """The events of a whole input that has nothing wrong in it."""
    results = read(*arguments, **named)
    assert all(isinstance(result, Event) for result in results), results
    return results
