"""The speed of an ingest, with a raw COPY of the same rows into the same table as the yardstick (= 1).

    .venv/bin/python benchmarks/ingest.py [--rows 20000] [--rounds 5]

Rows of about 3 KB from a seeded generator. Every round runs each path once, on an emptied table with all
indexes and triggers; the medians are compared. Without DATABASE_URL it runs on a server of its own in a
folder of its own; with it, in a database of its own, which it makes and drops.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from verdict import verdict  # noqa: E402

TARGETS = {"ingest": 0.65, "ingest of what is there": 1.0}  # at least, of raw COPY
WORDS = (
    "checkpoint starting complete connection authorized received lock deadlock detected relation process "
    "waits for ShareLock on transaction blocked by statement UPDATE accounts SET balance WHERE id CONTEXT "
    "while updating tuple in automatic vacuum of table index scans pages removed remain tuples dead"
).split()


def main() -> None:
    """Run the rounds and print the ratios."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        file = Path(folder) / "anomalies.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(options.rows)), encoding="utf-8")
        report(file, options.rows, measure(file, options.rounds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ingest against raw COPY.")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


@contextmanager
def own_database(folder: str) -> Iterator[None]:
    """Django, on a migrated database that nobody else uses."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    if not os.environ.get("DATABASE_URL"):
        os.environ["DRIFTLOCK_DATA"] = folder
    import django

    django.setup()
    from django.db import connection, connections

    former = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"driftlock_bench_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(former, verbosity=0)
        connections.close_all()
        _stop_embedded(connection)


def _stop_embedded(connection: Any) -> None:
    """The server's folder goes with this program, so the server has to go first."""
    if "EMBEDDED" in connection.settings_dict:
        from driftlock.embedded_postgres import base

        base._server(Path(connection.settings_dict["EMBEDDED"]["HOME"]), ()).release()


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Anomalies as a detector writes them: evidence, explanation, metadata."""
    dice = random.Random(2026)
    for number in range(count):
        p = dice.random() * 0.05
        yield {
            "timestamp": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:00:00Z",
            "stream_type": dice.choice(["logs", "logs", "metrics", "traces", "llm"]),
            "ncd_score": dice.random(),
            "p_value": p,
            "glass_box_explanation": f"{dice.randint(1, 9)} of 10 lines are new: {sentence(dice, 12)}",
            "detailed_explanation": sentence(dice, 40),
            "compression_baseline": dice.random(),
            "compression_window": dice.random(),
            "compression_combined": dice.random(),
            "compression_ratio_change": dice.uniform(-50, 300),
            "baseline_entropy": dice.uniform(3, 6),
            "window_entropy": dice.uniform(3, 6),
            "entropy_change": dice.uniform(-1, 1),
            "confidence_level": 1 - p,
            "is_statistically_significant": dice.random() < 0.5,
            "baseline_data": [{"line": number + i, "text": sentence(dice, 10)} for i in range(12)],
            "window_data": [
                {"line": number + i, "text": sentence(dice, 10), "bits": dice.random() * 9, "odd": i == 3}
                for i in range(8)
            ],
            "metadata": {"host": f"db{dice.randint(1, 40)}", "service": "orders", "first_line": number},
            "tags": dice.sample(["db", "lock", "nightly", "web", "eu"], 2),
        }


def sentence(dice: random.Random, words: int) -> str:
    """Words of a server's log with numbers between them."""
    return " ".join(
        dice.choice(WORDS) if dice.random() < 0.8 else str(dice.randint(1, 10**6)) for _ in range(words)
    )


def measure(file: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each path in each round; the paths take turns, so that a slow minute hits them all."""
    data = copy_data(file)
    paths: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "raw COPY": (empty, lambda: raw_copy(data)),
        "raw COPY, audit trigger off": (lambda: empty(off="audit_anomalies_insert"), lambda: raw_copy(data)),
        "ingest": (empty, lambda: run_ingest(file)),
        "ingest, audit trigger off": (lambda: empty(off="audit_anomalies_insert"), lambda: run_ingest(file)),
        "ingest, roll-up off": (lambda: empty(off="roll_up_insert"), lambda: run_ingest(file)),
        "ingest of what is there": (lambda: None, lambda: run_ingest(file)),
        "validation alone": (lambda: None, lambda: run_ingest(file, dry_run=True)),
    }
    taken: dict[str, list[float]] = {name: [] for name in paths}
    for turn in range(rounds):
        for name, (prepare, run) in paths.items():
            prepare()
            started = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - started)
            print(f"round {turn + 1}: {name} {taken[name][-1]:.2f} s", file=sys.stderr)
    return taken


def empty(off: str = "") -> None:
    """An empty table and a settled server before each run, with one trigger off or none."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE anomalies")
        for trigger in ("audit_anomalies_insert", "roll_up_insert"):
            state = "DISABLE" if trigger == off else "ENABLE ALWAYS"
            cursor.execute(f"ALTER TABLE anomalies {state} TRIGGER {trigger}")
        cursor.execute("CHECKPOINT")


def copy_data(file: Path) -> list[bytes]:
    """The file's rows, made ready for COPY: the yardstick pays for no parsing."""
    from anomalies.ingest.copy import pieces
    from anomalies.ingest.database_refusals import Candidate
    from anomalies.ingest.rows import read_row
    from anomalies.models import Status

    with file.open("rb") as lines:
        candidates = [Candidate(number, b"", read_row(line)) for number, line in enumerate(lines, 1)]
    for candidate in candidates:  # COPY writes NULL where a default belongs
        row = candidate.row
        row.status, row.created_at, row.updated_at = Status.PENDING, row.timestamp, row.timestamp
    return [bytes(piece) for piece in pieces(candidates)]


def raw_copy(data: list[bytes]) -> None:
    """One COPY, straight into the table."""
    from django.db import connection

    from anomalies.ingest.rows import COLUMNS

    statement = f"COPY anomalies ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in data:
            copy.write(piece)


def run_ingest(file: Path, dry_run: bool = False) -> None:
    """Ingest a file as ``manage.py ingest FILE`` does after its start."""
    from django.conf import settings

    from anomalies.audit import Actor
    from anomalies.ingest import ingest
    from anomalies.sources.lines import read_lines

    lines = read_lines(str(file), settings.INGEST_MAX_LINE_BYTES)
    summary = ingest(lines, Actor("bench", via="benchmark"), _no_rejects, source=file.name, dry_run=dry_run)
    assert summary.rejected == 0


def _no_rejects(reject: object) -> None:
    raise AssertionError(reject)


def report(file: Path, count: int, taken: dict[str, list[float]]) -> None:
    """Medians, their spread, and the ratios to raw COPY (more is faster)."""
    yardstick = statistics.median(taken["raw COPY"])
    print(f"{count:,} rows, {file.stat().st_size / count:,.0f} bytes each, {len(taken['raw COPY'])} rounds")
    print(f"{'path':<30}{'rows/s':>10}{'seconds (min–max)':>22}{'ratio':>8}  target")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        spread = f"{median:.2f} ({min(seconds):.2f}–{max(seconds):.2f})"
        ratio = yardstick / median
        judged = verdict(ratio, least=TARGETS.get(name))
        print(f"{name:<30}{count / median:>10,.0f}{spread:>22}{ratio:>8.2f}  {judged}")


if __name__ == "__main__":
    main()
