"""The cost of rules for what comes: a COPY without the rules' trigger is the yardstick (= 1).

    .venv/bin/python benchmarks/rules.py [--rows 10000] [--rounds 5]

The rows and the server are those of ``ingest.py``, with 20 explanations in place of random ones, so that
there are 80 patterns. Every round runs each case once, on an emptied table with all indexes and the other
triggers; the fastest rounds are compared, since other programs only ever slow one down. "One at a time"
sends single INSERTs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

import ingest as loading  # noqa: E402
from verdict import verdict  # noqa: E402

TRIGGER = "triage_rules_applied"
# At least, of the same without the trigger. A row that is decided about is updated and recorded as well.
TARGETS = {"no rule": 0.95, "1,000 rules about others": 0.9, "rules about 5 % of the rows": 0.8}
SINGLES = 300


def main() -> None:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description="COPY with rules for what comes against one without.")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, loading.own_database(folder):
        file = Path(folder) / "anomalies.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(options.rows)), encoding="utf-8")
        report(options.rows, measure(loading.copy_data(file), options.rounds))


def rows(count: int) -> list[dict[str, object]]:
    """The rows of ``ingest.py``, with one of 20 explanations each."""
    made = list(loading.rows(count))
    for number, row in enumerate(made):
        row["glass_box_explanation"] = f"{made[number % 20]['detailed_explanation']}"
    return made


def measure(data: list[bytes], rounds: int) -> dict[str, list[float]]:
    """Seconds of each case in each round; the cases take turns, so that a slow minute hits them all."""
    from django.contrib.auth.models import User

    User.objects.create_user("bench")
    loading.raw_copy(data)
    known = run("SELECT pattern, count(*) FROM anomalies GROUP BY pattern ORDER BY count(*), pattern")
    total, few = sum(number for _, number in known), 0
    some = [key for key, number in known if (few := few + number) <= total / 20]
    every = [key for key, _ in known]
    cases: dict[str, Callable[[], None]] = {
        "trigger off": lambda: prepare([], "DISABLE"),
        "no rule": lambda: prepare([]),
        "1,000 rules about others": lambda: prepare([], others=1_000),
        "rules about 5 % of the rows": lambda: prepare(some, others=1_000),
        "rules about all rows": lambda: prepare(every, others=1_000),
    }
    taken: dict[str, list[float]] = {}
    for turn in range(rounds):
        for name, making in cases.items():
            for way, call in (("", lambda: loading.raw_copy(data)), (", one at a time", singles)):
                making()
                started = time.perf_counter()
                call()
                taken.setdefault(name + way, []).append(time.perf_counter() - started)
                print(f"round {turn + 1}: {name}{way} {taken[name + way][-1]:.2f} s", file=sys.stderr)
    return taken


def run(statement: str, *values: object) -> list[tuple[object, int]]:
    """The rows of a statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def prepare(patterns: list[object], state: str = "ENABLE", others: int = 0) -> None:
    """An empty table, and a rule about each of these patterns and about so many that do not come."""
    run("TRUNCATE anomalies, triage_rules, triage_rule_hours")
    run(f"ALTER TABLE anomalies {state} TRIGGER {TRIGGER}")
    run(
        """
        INSERT INTO triage_rules (pattern, action, dismissal_reason, owner, note, created_at, expires_at,
                                  ncd_limit, hourly_limit)
        SELECT key, 'dismiss', 'known_harmless', 'bench', 'a benchmark', '2020-01-01',
               now() + interval '9 days', 1, 1000000000
        FROM (
            SELECT unnest(%s::uuid[]) UNION ALL SELECT gen_random_uuid() FROM generate_series(1, %s)
        ) AS each (key)
        """,
        patterns,
        others,
    )
    run("ANALYZE triage_rules")
    run("CHECKPOINT")


def singles() -> None:
    """One INSERT a row, each in a transaction of its own."""
    for number in range(SINGLES):
        run(
            """
            INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
                compression_baseline, compression_window, compression_combined, confidence_level)
            VALUES (now(), 'logs', 0.5, 0.01, %s, 0.2, 0.5, 0.3, 0.99)
            """,
            f"process {number} lost",
        )


def report(count: int, taken: dict[str, list[float]]) -> None:
    """Each case's fastest round, its spread, and the ratio to the same without the trigger."""
    print(f"{count:,} rows by COPY, {SINGLES} one at a time, {len(taken['trigger off'])} rounds")
    print(f"{'case':<44}{'ms a row':>10}{'seconds':>22}{'ratio':>8}  target")
    for name, seconds in taken.items():
        case, comma, way = name.partition(", one")
        amount = SINGLES if way else count
        ratio = min(taken["trigger off" + comma + way]) / min(seconds)
        spread = f"{min(seconds):.2f}–{max(seconds):.2f}"
        judged = verdict(ratio, least=TARGETS.get(case) if not way else None)
        print(f"{name:<44}{1000 * min(seconds) / amount:>10.3f}{spread:>22}{ratio:>8.2f}  {judged}")


if __name__ == "__main__":
    main()
