"""The cost of decisions about many, with a raw UPDATE of the same columns and rows as the yardstick (= 1).

    .venv/bin/python benchmarks/triage.py [--rows 100000] [--rounds 3]

The raw UPDATE is one statement on the same table with the same indexes, its triggers disabled; the rows
have a version, so that no CHECK reads their evidence. A bulk decision is frozen, decided in parts and
recorded, as the desk does it; the same after 500 single decisions in the same session; then it is undone. In
turns, after a VACUUM and a checkpoint each; medians compared. Runs as benchmarks/ingest.py does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ingest import own_database
from verdict import verdict

SINGLES = 500
RAW = (
    "UPDATE anomalies SET status = 'dismissed', dismissed_by = 'ana', dismissed_at = now(),"
    " dismissal_reason = 'other' WHERE status = 'pending'"
)
ALWAYS = ("audit_anomalies_update", "audit_anomalies_update_evidence", "anomalies_version")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        run("SELECT set_config('driftlock.requires_actor', 'off', false)")
        prepare(given.rows)
        taken: dict[str, list[float]] = {}
        for _ in range(given.rounds):
            measure(taken)
        report(taken, given.rows)


def run(statement: str, *values: object) -> list[tuple]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def prepare(rows: int) -> None:
    """Anomalies of about 3 KB, as a detector leaves them, each written to once."""
    run(
        "INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,"
        " compression_baseline, compression_window, compression_combined, confidence_level,"
        " is_statistically_significant, baseline_data, window_data, metadata, tags)"
        " SELECT now() - n * interval '1 s', (ARRAY['logs', 'metrics', 'traces', 'llm'])[1 + n %% 4],"
        " random(),"
        " random() * 0.05, n %% 10 || ' of 10 lines are new: deadlock detected on relation ' || n %% 5000"
        " || ' process ' || n, random(), random(), random(), 0.99, n %% 2 = 0,"
        " (SELECT jsonb_agg(md5(n::text || i) || md5(i::text || n)) FROM generate_series(1, 12) AS i),"
        " (SELECT jsonb_agg(md5(n::text || i) || md5(i::text || n)) FROM generate_series(1, 8) AS i),"
        " jsonb_build_object('host', 'db' || n %% 40, 'service', 'orders', 'first_line', n),"
        " ARRAY['db', (ARRAY['lock', 'nightly', 'web', 'eu'])[1 + n %% 4]] FROM generate_series(1, %s) AS n",
        rows,
    )
    triggers(on=False)
    run("UPDATE anomalies SET version = 2")


def triggers(on: bool) -> None:
    run(f"ALTER TABLE anomalies {'ENABLE' if on else 'DISABLE'} TRIGGER USER")
    for trigger in ALWAYS if on else ():
        run(f"ALTER TABLE anomalies ENABLE ALWAYS TRIGGER {trigger}")


def restart(on: bool) -> None:
    """Make all pending again, with nothing left to clean up."""
    triggers(on=False)
    run(
        "UPDATE anomalies SET status = 'pending', dismissed_by = NULL, dismissed_at = NULL,"
        " dismissal_reason = NULL, acknowledged_by = NULL, acknowledged_at = NULL WHERE status <> 'pending'"
    )
    triggers(on)
    run("VACUUM ANALYZE anomalies")
    run("CHECKPOINT")


def measure(taken: dict[str, list[float]]) -> None:
    """One round: the paths take turns."""

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        done = work()
        taken.setdefault(name, []).append(time.perf_counter() - started)
        return done

    restart(on=False)
    timed("raw UPDATE", lambda: run(RAW))
    restart(on=True)
    timed("bulk decision", decide_all)
    restart(on=True)
    decide_singly()
    batch = timed("after single decisions", decide_all)
    run("VACUUM anomalies")
    run("CHECKPOINT")
    timed("undo", lambda: undo_all(batch))


def decide_all() -> str:
    """Freeze what is pending and dismiss it, as the desk does; the decision's batch."""
    from anomalies.audit import Actor
    from anomalies.models import Anomaly
    from anomalies.triage.frozen_selection import begin, decide_parts, freeze

    pending = Anomaly.objects.filter(status="pending").order_by("-timestamp", "-id")
    asked = begin(freeze(pending, "ana", "dismiss", "pending anomalies"), "other", "")
    *_, done = decide_parts(asked, Actor("ana", "10.0.0.7", via="/admin/anomalies/anomaly/"))
    assert done.decided == done.rows > 0
    return str(done.pk)


def decide_singly() -> None:
    from anomalies.audit import Actor
    from anomalies.models import Anomaly
    from anomalies.triage.decisions import decide

    for pk, version in Anomaly.objects.values_list("pk", "version")[:SINGLES]:
        outcome = decide("acknowledge", [pk], Actor("ana"), seen={pk: version}, batch=uuid4())
        assert outcome.decided == (pk,)


def undo_all(batch: str) -> None:
    from anomalies.audit import Actor
    from anomalies.triage.undo import undo

    now = undo(batch, Actor("ana"), uuid4())
    assert now.undone > 0
    assert now.skipped == 0


def report(taken: dict[str, list[float]], rows: int) -> None:
    targets = {"bulk decision": 1.6, "after single decisions": 1.7, "undo": 2.0}
    yardstick = statistics.median(taken["raw UPDATE"])
    print(f"{rows:,} rows, medians of {len(taken['undo'])}")
    print(f"{'what':<28}{'seconds':>9}{'ratio':>8}  target")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        ratio = median / yardstick
        print(f"{name:<28}{median:>9.2f}{ratio:>8.2f}  {verdict(ratio, most=targets.get(name))}")


if __name__ == "__main__":
    main()
