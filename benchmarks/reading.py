"""The time of a line from bytes to event, by its format, in microseconds of one core's time.

    .venv/bin/python benchmarks/reading.py [--lines 20000] [--rounds 5]

Each input is read as `detect` reads a file, without scoring: framing, envelope, time, message, fields. Lines
are seeded; the least of the rounds counts, because whatever else the machine does only adds. The yardstick
beside each is what Python's own reader of the same bytes takes, which splits a line or parses JSON or CSV.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from random import Random
from time import process_time

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from verdict import verdict  # noqa: E402

from anomalies.detection import GUESSED_FROM, TimestampReader, framing_of, guess  # noqa: E402

BEGUN = datetime(2026, 11, 23, 4, tzinfo=UTC)
PLAIN = 6.0  # microseconds a line at most, so that an engine can reach 40,000 lines a second
LIMIT = 8 * 1024 * 1024


def lines_of(layout: str, count: int) -> list[bytes]:
    """Return lines that are a fifth of a second apart."""
    rng, lines = Random(1), []
    for number in range(count):
        moment = BEGUN + timedelta(milliseconds=200 * number)
        message = rng.choice(["cache miss for user {}", "request {} served", "heartbeat seq={}"]).format(
            number
        )
        lines.append(INPUTS[layout](moment, message).encode())
    return lines


def record(**fields: object) -> str:
    return json.dumps(fields)


INPUTS: dict[str, Callable[[datetime, str], str]] = {
    "plain, ISO time": lambda t, m: f"{t:%Y-%m-%d %H:%M:%S.%f} INFO [main] {m}",
    "plain, ISO time in UTC": lambda t, m: f"{t:%Y-%m-%dT%H:%M:%S}Z INFO [main] {m}",
    "plain, common log": lambda t, m: f'::1 - - [{t:%d/%b/%Y:%H:%M:%S} +0000] "GET /{m[:5]} HTTP/1.1" 200 7',
    "plain, no time": lambda t, m: f"INFO [main] {m}",
    "syslog": lambda t, m: f"{t:%b %d %H:%M:%S} db1 app[812]: {m}",
    "RFC 5424": lambda t, m: f'<165>1 {t:%Y-%m-%dT%H:%M:%S.%f}Z db1 app 812 ID47 [ex@1 n="2"] {m}',
    "klog": lambda t, m: f"I{t:%m%d %H:%M:%S.%f}       7 controller.go:15] {m}",
    "logfmt": lambda t, m: f'time={t:%Y-%m-%dT%H:%M:%S}Z level=info msg="{m}" dur=3ms',
    "JSON, 4 fields": lambda t, m: record(time=t.isoformat(), level="info", logger="shop.Orders", msg=m),
    "JSON, Docker within JSON": lambda t, m: record(
        log=record(level="info", thread="main", msg=m) + "\n", stream="stdout", time=t.isoformat()
    ),
    "JSON, journald": lambda t, m: record(
        __REALTIME_TIMESTAMP=str(int(t.timestamp() * 1e6)), _BOOT_ID="a" * 32, PRIORITY="6", _HOSTNAME="n1",
        SYSLOG_IDENTIFIER="app", _PID="812", _SYSTEMD_UNIT="app.service", _TRANSPORT="stdout", MESSAGE=m,
    ),
    "metrics, CSV": lambda t, m: f"{t:%Y-%m-%dT%H:%M:%S}Z,{len(m)}.5,{t.second}",
}  # fmt: skip


def read(lines: list[bytes]) -> int:
    """The events of these lines, by all that reading is."""
    assert framing_of(b"\n".join(lines[:100]), LIMIT) is None
    source = iter(enumerate(lines, 1))
    head = list(islice(source, GUESSED_FROM))
    form = guess([line for _, line in head], TimestampReader(BEGUN + timedelta(days=1)))
    return sum(len(form.read(number, line, len(line))) for number, line in chain(head, source))


def plainly(lines: list[bytes]) -> None:
    """The yardstick: the library's reader of such a line."""
    if lines[0].startswith(b"{"):
        for line in lines:
            json.loads(line)
    elif b"Z," in lines[0][:24]:
        for line in lines:
            next(csv.reader([line.decode()]))
    else:
        for line in lines:
            line.decode("utf-8", "backslashreplace").split()


def least(rounds: int, run: Callable[[list[bytes]], object], lines: list[bytes]) -> float:
    """The microseconds a line of the fastest round."""
    taken = []
    for _ in range(rounds):
        begun = process_time()
        run(lines)
        taken.append(process_time() - begun)
    return min(taken) / len(lines) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{'µs a line':28}  reading  library")
    for layout in INPUTS:
        lines = lines_of(layout, given.lines)
        taken, library = least(given.rounds, read, lines), least(given.rounds, plainly, lines)
        reached = verdict(taken, most=PLAIN) if layout.startswith("plain") else ""
        print(f"{layout:28} {taken:8.2f} {library:8.2f}  {reached}")


if __name__ == "__main__":
    main()
