"""The fuzzed parsers: each reader of outside bytes, as a function that raises only for the product's faults.

A target takes any bytes, calls one reader as the product does, and lets through every error but those that
the reader documents. ``seeds`` are inputs to begin with, beside the ones kept in ``corpus/``.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anomalies.detection import Event, Result

CLOCK = datetime(2026, 11, 23, 12, tzinfo=UTC)
KINDS = ("logs", "metrics", "traces", "llm")
LONGEST = 64 * 1024  # bytes of an input


class Target(NamedTuple):
    """A reader under test, and what its inputs look like."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def ingest_line(data: bytes) -> None:
    """A line of JSON: a row that COPY can encode, or a rejection with a reason."""
    from anomalies.ingest.binary_copy import encoder
    from anomalies.ingest.rows import COLUMNS, read_row
    from anomalies.ingest.validation_errors import Misfit, Reject

    try:
        row = read_row(data)
    except Misfit as error:
        assert error.reason and str(Reject(1, error.field, error.reason, data))
        return
    encoder(COLUMNS)(row)
    json.loads(data, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} was taken for JSON")


def detect(data: bytes) -> None:
    """A file of any kind, guessed: findings, or one line that says why it can't be read."""
    _detect(None, data)


def detect_as(data: bytes) -> None:
    """A file that somebody says is of a kind; the first byte says of which."""
    _detect(KINDS[data[0] % len(KINDS)] if data else "logs", data[1:])


def _detect(kind: str | None, data: bytes) -> None:
    from anomalies.detection import Detector, FormatError, Parameters, TimestampReader, format_for, guess

    lines, clock = data.split(b"\n"), TimestampReader(CLOCK)
    try:
        form = format_for(kind, lines[:100], clock) if kind else guess(lines[:100], clock)
    except FormatError as error:
        assert str(error)
        return
    events = []
    for number, line in enumerate(lines, 1):
        events += _events(form.read(number, line, len(line)))
    events += _events(form.finish())
    detector = Detector(Parameters(baseline_size=6, window_size=2, hop_size=1), form.kind)
    for finding in [*detector.feed(events), *detector.finish()]:
        json.dumps(finding.metadata if hasattr(finding, "metadata") else str(finding)).encode()


def _events(results: Iterable[Result]) -> list[Event]:
    """The events among the results of reading; the others say what was wrong."""
    from anomalies.detection import Event, Remark, Skipped

    results = list(results)
    assert all(isinstance(one, Event | Skipped | Remark) for one in results)
    return [one for one in results if isinstance(one, Event)]


def read_file(data: bytes) -> None:
    """A file, plain or packed: its lines and its records, or one line that says why it can't be read."""
    from anomalies.sources.lines import ReadError, read_lines, read_records

    path = _scratch() / "input"
    path.write_bytes(data)
    try:
        for line in islice(read_lines(str(path), 4096), 10_000):
            assert len(line.data) <= 4096 <= max(line.full_length, 4096)
        for record in islice(read_records(str(path), 4096), 10_000):
            assert record.number >= 1 and record.data is not None
    except ReadError as error:
        assert str(error)


@cache
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="driftlock-fuzz-"))


def timestamp(data: bytes) -> None:
    """A line's time: an aware moment, or none."""
    from anomalies.detection import TimestampReader

    text = data.decode("utf-8", "replace")
    for found in (TimestampReader(CLOCK).read(text), TimestampReader(CLOCK).read_field(text)):
        assert found is None or found.tzinfo is not None


def time_format(data: bytes) -> None:
    """A format as --time-format takes it (first line), and a line that is read by it."""
    from anomalies.detection import TimestampReader

    form, _, line = data.decode("utf-8", "replace").partition("\n")
    try:
        clock = TimestampReader(CLOCK, time_format=form)
    except ValueError as error:
        assert str(error)
        return
    clock.read(line)


def overrides(data: bytes) -> None:
    """A config's stream overrides: JSON within the limits, and problems in words."""
    from anomalies import json_limits
    from anomalies.models import override_problems

    try:
        value = json_limits.loads(data.decode("utf-8", "replace"), LONGEST)
    except json_limits.LimitError as error:
        assert str(error)
        return
    assert all(override_problems(value)) and "NaN" not in json.dumps(value)


def filters(data: bytes) -> None:
    """The query string of the list of anomalies: SQL, or messages beside the fields."""
    from django.http import QueryDict

    from anomalies.models import Anomaly
    from anomalies.queries.filters import AnomalyFilter

    given = AnomalyFilter(QueryDict(data), queryset=Anomaly.objects.all())
    if given.is_valid():
        given.qs.query.get_compiler("default").as_sql()
    else:
        assert given.errors.as_text()


def evidence(data: bytes) -> None:
    """A column of evidence that another detector wrote: events, whatever it holds."""
    from anomalies.queries.evidence_events import events, odd_text
    from anomalies.safe_text import escaped

    text = data.decode("utf-8", "replace")
    for event in events(text):
        assert escaped(escaped(event.text)) == escaped(event.text)
    odd_text(text)


def _rows() -> Iterator[bytes]:
    """A line of each kind of malformed one, and good ones."""
    from tests.support.malformed_lines import KINDS as MALFORMED
    from tests.support.malformed_lines import good

    for name, kind in MALFORMED.items():
        line = kind.make(random.Random(name))
        yield line[:LONGEST]
    yield from (good(random.Random(seed)) for seed in range(5))


def _files() -> Iterator[bytes]:
    yield b"".join(
        f"2026-11-20T10:00:{n:02}Z web1 sshd[{n}]: Accepted key for ana\n".encode() for n in range(40)
    )
    yield b"".join(
        f'{{"time": {1764000000 + n}, "level": "info", "msg": "done {n}"}}\n'.encode() for n in range(40)
    )
    yield b"timestamp,cpu,disk\n" + b"".join(
        f"2026-11-20 10:{n:02}:00,{n / 7},{n}\n".encode() for n in range(40)
    )
    yield b"".join(f'id{n},"open read {"write " * (n % 3)}close"\n'.encode() for n in range(40))
    yield b"".join(f'{{"prompt": "say {n}", "response": "{"word " * n}"}}\n'.encode() for n in range(40))


def _files_with_kind() -> Iterator[bytes]:
    yield from (bytes([kind]) + data for kind in range(len(KINDS)) for data in _files())


def _packed() -> Iterator[bytes]:
    import gzip

    import zstandard

    for data in _files():
        yield from (data, gzip.compress(data), zstandard.ZstdCompressor().compress(data))


def _times() -> Iterator[bytes]:
    yield from (
        b"2026-11-20T10:00:00.123Z x", b"Nov 20 10:00:00 host x", b"[20/Nov/2026:10:00:00 +0100] GET /",
        b"1764000000.5 x", b"20.11.2026 10:00 x", b"Fri, 20 Nov 2026 10:00:00 GMT", b"2026-W47-5",
        b"- 1131566461 x",
    )  # fmt: skip


def _formats() -> Iterator[bytes]:
    yield from (
        b"%Y-%m-%d %H:%M:%S\n2026-11-20 10:00:00 x",
        b"%d/%b/%y %I:%M %p %z\n20/Nov/26 10:00 AM +01:00",
    )


def _overrides() -> Iterator[bytes]:
    yield from (b'{"logs": {"ncd_threshold": 0.6}}', b'{"llm": {"window_size": 5, "hop_size": 1e3}}', b"[1]")


def _queries() -> Iterator[bytes]:
    yield from (
        b"q=deadlock+-%22process+4%22&status=pending&status=dismissed&o=-4",
        b"tags_all=a,b&tags_any=c&review=true",
        b"ncd_min=0.5&p_max=1e-3&within=24h&metadata=host%3Ddb1",
        b"timestamp_after=2026-11-20&timestamp_before=x",
    )  # fmt: skip


def _evidence() -> Iterator[bytes]:
    yield from (
        b'{"events": [{"text": "a", "line": 1, "odd": true}]}',
        b'["a", {"b": [1]}, null]',
        b'"a\\nb"',
    )


TARGETS = {
    "ingest_line": Target(ingest_line, _rows),
    "detect": Target(detect, _files),
    "detect_as": Target(detect_as, _files_with_kind),
    "read_file": Target(read_file, _packed),
    "timestamp": Target(timestamp, _times),
    "time_format": Target(time_format, _formats),
    "overrides": Target(overrides, _overrides),
    "filters": Target(filters, _queries),
    "evidence": Target(evidence, _evidence),
}
