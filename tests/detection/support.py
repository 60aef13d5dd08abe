"""Helpers of the detection room's tests."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from anomalies.detection import Event, Finding, Parameters, TimestampReader, detect, event_from_line


def fresh_clock(**options: Any) -> TimestampReader:
    """A reader of stamps that has learnt nothing yet."""
    return TimestampReader(datetime(2026, 11, 23, 12, tzinfo=UTC), **options)


CLOCK = fresh_clock()  # for single lines: it never learns
_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")  # no digits: nothing to mask
LOGHUB = Path(__file__).resolve().parents[3] / "shared" / "data" / "loghub"
FOREIGN = [
    "kernel panic: unable to mount root filesystem on unknown block device",
    "segfault in libcrypto while reading certificate bundle",
    "raid array degraded, replacement disk refused by controller",
    "out of memory, killing java with the highest badness",
    "temperature above threshold, cpu clock throttled",
    "journal has aborted, remounting everything read-only",
    "watchdog did not stop, hard lockup suspected",
    "certificate expired yesterday, handshake with upstream impossible",
    "swap exhausted, allocation failure of large order",
    "fan speed sensor unplugged or broken beyond recovery",
]


def event(text: str, number: int = 1) -> Event:
    """An event made the way every line is."""
    raw = text.encode()
    return event_from_line(number, raw, len(raw), CLOCK)


def events(texts: Iterable[str]) -> list[Event]:
    return [event(text, number) for number, text in enumerate(texts, 1)]


def find(texts: Iterable[str], **parameters: float) -> list[Finding]:
    return list(detect(events(texts), Parameters(**parameters)))


def ordinary(count: int) -> list[str]:
    """A dull log: five templates in a fixed, uneven order."""
    verbs = [
        "opened session for",
        "closed session for",
        "checked quota of",
        "sent mail to",
        "renewed lease of",
    ]
    return [f"service[{index % 97}]: {verbs[index * index % 5]} user{index % 13}" for index in range(count)]


def strange(count: int) -> list[str]:
    """Lines that share nothing with a dull log and next to nothing with each other."""
    return [sha256(str(number).encode()).hexdigest().translate(_LETTERS) for number in range(count)]


def with_foreign(count: int, *places: int, run: int = 8) -> list[str]:
    """A dull log with `run` foreign lines from each place (1-based line number) on, other ones at each."""
    lines = ordinary(count)
    for index, place in enumerate(places):
        others = strange(run * index)[-run:]
        lines[place - 1 : place - 1 + run] = others or FOREIGN[:run]
    return lines


def real_log(name: str) -> list[bytes]:
    """The lines of a loghub sample without labels; skips the test where there is none."""
    path = LOGHUB / f"{name}_2k.log"
    if not path.exists():
        pytest.skip(f"real logs are missing: {path}")
    lines = path.read_bytes().splitlines()
    return [line.split(b" ", 1)[1] for line in lines] if name == "BGL" else lines


def real_events(lines: Sequence[bytes]) -> list[Event]:
    return [event_from_line(number, line, len(line), CLOCK) for number, line in enumerate(lines, 1)]
