"""The gain and the cost of the roll-up, each against a yardstick in the same run (= 1).

    .venv/bin/python benchmarks/rollup.py [--rows 1000000] [--rounds 5] [--seconds 2]

Statistics by stream from the roll-up against the view that reads the table, folded and with 5,000 deltas
unfolded; eight writers that hold each transaction open for 5 ms, with the roll-up's triggers against without;
an INSERT of 5,000 rows in the same two ways. Runs as benchmarks/ingest.py does, which has the whole ingest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ingest import own_database
from verdict import verdict

TRIGGERS = ("roll_up_insert", "roll_up_update", "roll_up_delete")
WRITERS, HELD = 8, 0.005
AT_MOST = {1_000_000: 0.02, 10_000_000: 0.005}
INSERT = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
        compression_baseline, compression_window, compression_combined, confidence_level,
        is_statistically_significant, acknowledged_at)
    SELECT now() - n * interval '90 days' / %(rows)s,
        (ARRAY['logs', 'metrics', 'traces', 'llm'])[1 + mod(n, 4)], random(), random() / 20,
        CASE WHEN n < 5000 THEN 'pending' ELSE 'acknowledged' END, repeat('x', 300),
        0.2, 0.5, 0.3, 0.99, mod(n, 3) = 0, CASE WHEN n >= 5000 THEN now() END
    FROM generate_series(1, %(rows)s) AS n
"""
DECIDE = "UPDATE anomalies SET status = 'dismissed', dismissed_at = now() WHERE id = %s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="how long the writers write a round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        run("SELECT set_config('driftlock.requires_actor', 'off', false)")
        for start in range(0, given.rows, 100_000):
            run(INSERT, {"rows": min(100_000, given.rows - start)})
        run("SELECT fold_anomaly_hours(), fold_anomaly_tags()")
        run("VACUUM ANALYZE")
        print(f"{'what':<52}{'yardstick':>12}{'ours':>12}{'ratio':>9}  target")
        reading(given.rounds, target_of(given.rows))
        writing(given.rounds, given.seconds)
        inserting(given.rounds)


def target_of(rows: int) -> float | None:
    """The most that statistics from the roll-up may take of what they take from the table, by its size."""
    return min((most for size, most in AT_MOST.items() if rows >= size), default=None)


def run(statement: str, values: object = None) -> list[tuple]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(what: str, yardstick: list[float], ours: list[float], unit: float = 1000, **target: float) -> None:
    """Print both medians, their ratio, and whether it reaches its target."""
    one, other = statistics.median(yardstick), statistics.median(ours)
    judged = verdict(other / one, **target)
    print(f"{what:<52}{one * unit:>12.2f}{other * unit:>12.2f}{other / one:>9.4f}  {judged}")


def reading(rounds: int, most: float | None) -> None:
    """The view, the roll-up folded, the same with as many deltas as are left to be folded."""
    from datetime import UTC, datetime, timedelta

    from anomalies.queries import hourly_rollup

    month = hourly_rollup.Selection(since=datetime.now(UTC) - timedelta(days=30))
    ways = {
        "statistics: view against roll-up (ms)": lambda: hourly_rollup.figures(hourly_rollup.Selection()),
        "statistics: view against view over the roll-up (ms)": lambda: run(
            "SELECT * FROM anomaly_stats_by_stream_now"
        ),
        "statistics of 30 days, to the minute (ms)": lambda: hourly_rollup.figures(month),
    }
    exact = [seconds_of(lambda: run("SELECT * FROM anomaly_stats_by_stream")) for _ in range(rounds)]
    for what, way in ways.items():
        report(what, exact, [seconds_of(way) for _ in range(rounds)], most=most)
    run("INSERT INTO anomaly_hour_deltas SELECT 0 - n, now(), 'logs', 'pending', false, 1, 0.5, 0.01 FROM "
        "generate_series(1, 5000) AS n")  # fmt: skip
    report(
        "the same with 5,000 deltas unfolded (ms)",
        exact,
        [seconds_of(lambda: hourly_rollup.figures(hourly_rollup.Selection())) for _ in range(rounds)],
        most=most,
    )
    run("DELETE FROM anomaly_hour_deltas WHERE id < 0")


def switch(on: bool) -> None:
    for trigger in TRIGGERS:
        run(f"ALTER TABLE anomalies {'ENABLE ALWAYS' if on else 'DISABLE'} TRIGGER {trigger}")


def writing(rounds: int, seconds: float) -> None:
    """Transactions a second of writers that each hold theirs open; with and without take turns."""
    done: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * rounds):  # who comes second finds a larger table: they take turns in that, too
        for on in (turn % 2 == 0, turn % 2 == 1):
            switch(on)
            done[on].append(throughput(seconds))
    report(f"{WRITERS} writers, 5 ms held: transactions/s", done[False], done[True], 1, least=0.95)


def throughput(seconds: float) -> float:
    ids = [pk for (pk,) in run("SELECT id FROM anomalies LIMIT 20000")]
    counts = [0] * WRITERS
    end = time.perf_counter() + seconds

    def write(hand: int) -> None:
        from django.db import connection, transaction

        run("SELECT set_config('driftlock.requires_actor', 'off', false)")
        mine = iter(ids[hand::WRITERS] * 10)
        while time.perf_counter() < end:
            with transaction.atomic():
                run(DECIDE, [next(mine)])
                time.sleep(HELD)
            counts[hand] += 1
        connection.close()

    hands = [threading.Thread(target=write, args=[hand]) for hand in range(WRITERS)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    return sum(counts) / seconds


def inserting(rounds: int) -> None:
    """One INSERT of 5,000 rows, as a batch of an ingest is."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * rounds):
        for on in (turn % 2 == 0, turn % 2 == 1):
            switch(on)
            taken[on].append(seconds_of(lambda: run(INSERT, {"rows": 5000})))
    report("an INSERT of 5,000 rows (ms)", taken[False], taken[True])


if __name__ == "__main__":
    main()
