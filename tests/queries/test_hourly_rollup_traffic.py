"""The roll-up while others write: nothing is lost or counted twice, whoever folds, rebuilds or migrates.

DRIFTLOCK_CONCURRENCY sets for how long.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from tests.support.databases import connect, database
from tests.support.processes import ROOT, manage
from tests.support.sizes import size

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

MIGRATIONS = sorted(file.stem for file in (ROOT / "anomalies" / "migrations").glob("0*.py"))
TABLES, TAGS = (
    next(name for name in MIGRATIONS if name.endswith(end)) for end in ("_roll_up", "_roll_up_of_tags")
)
BEFORE, BEFORE_TAGS = (MIGRATIONS[MIGRATIONS.index(name) - 1] for name in (TABLES, TAGS))
UNBUILT = {
    TABLES: "SELECT count(*) FROM anomaly_hour_deltas WHERE hour IS NULL",
    TAGS: "SELECT count(*) FROM anomaly_tag_deltas WHERE tag IS NULL",
}
HANDS = 4
TURNS = max(12, int(60 * size("DRIFTLOCK_CONCURRENCY")))
INSERT = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
        compression_baseline, compression_window, compression_combined, confidence_level, tags)
    SELECT now() - random() * interval '9 hours', (ARRAY['logs', 'metrics', 'traces', 'llm'])[1 + mod(n, 4)],
        random(), random(), 'pending', 'x', 0, 0, 0, 0.9, (ARRAY['db', 'lock', 'web', 'db'])[1 + mod(n, 3) :]
    FROM generate_series(1, %s) AS n
"""
SOME = "WHERE id IN (SELECT id FROM anomalies ORDER BY random() LIMIT %s FOR UPDATE SKIP LOCKED)"
WRITES = [
    INSERT,
    f"UPDATE anomalies SET status = 'dismissed', ncd_score = random() {SOME}",
    f"UPDATE anomalies SET timestamp = timestamp + interval '1 hour' {SOME}",
    f"UPDATE anomalies SET tags = tags || 'moved'::text {SOME}",
    f"DELETE FROM anomalies {SOME}",
]


def migrate(name: str, *target: str) -> None:
    process = manage("migrate", *target, "--verbosity", "0", database=name)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()


def differences(name: str) -> list[str]:
    process = manage("rollup", "check", "--all", database=name)
    said, _ = process.communicate(timeout=600)
    return said.decode().splitlines() + ["failed"] * process.returncode


@contextmanager
def writers(name: str) -> Iterator[list[int]]:
    """Hands that write, hold their transactions open, and take every third one back; how often each did."""
    ended, done = threading.Event(), [0] * HANDS

    def write(hand: int) -> None:
        dice = random.Random(hand)
        with connect(name) as session:
            while not ended.is_set():
                with (
                    suppress(psycopg.errors.DeadlockDetected),
                    session.transaction(force_rollback=dice.random() < 0.3),
                ):
                    for _ in range(dice.randint(1, 3)):
                        session.execute(dice.choice(WRITES), [dice.randint(1, 20)])
                    time.sleep(dice.random() / 100)
                done[hand] += 1

    threads = [threading.Thread(target=write, args=[hand]) for hand in range(HANDS)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_folding_and_rebuilding_under_traffic_loses_nothing():
    with database() as name:
        migrate(name)
        with connect(name) as session, connect(name) as other:
            session.execute(INSERT, [2000])
            with writers(name) as done:
                for turn in range(TURNS):
                    session.execute("SELECT fold_anomaly_hours(), fold_anomaly_tags()")
                    if turn % 4 == 0:
                        other.execute("SELECT rebuild_anomaly_hours(), rebuild_anomaly_tags()")
                    assert other.execute("SELECT count(*) FROM anomaly_hours_missing").fetchone() == (0,)
                    assert other.execute("SELECT count(*) FROM anomaly_tags_missing").fetchone() == (0,)
        assert sum(done) > TURNS
        assert differences(name) == []


@pytest.mark.parametrize("before", [BEFORE, BEFORE_TAGS])
def test_a_migration_under_traffic_counts_the_rows_that_were_there(before):
    with database() as name:
        migrate(name, "anomalies", before)
        with connect(name) as session:
            session.execute(INSERT, [5000])
            with writers(name) as done:
                migrate(name)
                migrated = sum(done)
                time.sleep(0.5)
            assert 0 < migrated < sum(done)
            assert [session.execute(mark).fetchone() for mark in UNBUILT.values()] == [(0,), (0,)]
        assert differences(name) == []


@pytest.mark.parametrize("tables", [TABLES, TAGS])
def test_between_its_two_migrations_it_says_that_it_is_not_whole(tables):
    with database() as name:
        migrate(name, "anomalies", BEFORE)
        with connect(name) as session:
            session.execute(INSERT, [100])
            migrate(name, "anomalies", tables)
            assert session.execute(UNBUILT[tables]).fetchone() == (1,)


def test_between_its_two_migrations_statistics_come_from_the_table():
    with database() as name:
        migrate(name, "anomalies", BEFORE)
        with connect(name) as session:
            session.execute(INSERT, [100])
            migrate(name, "anomalies", TABLES)
            [(exact,)] = session.execute(
                "SELECT sum(total_anomalies)::int FROM anomaly_stats_by_stream_now"
            ).fetchall()
        assert exact == 100


def test_writers_do_not_wait_for_each_other():
    with database() as name:
        migrate(name)
        with connect(name) as one, connect(name) as other, one.transaction():
            one.execute(INSERT, [10])
            other.execute("SET lock_timeout = '1s'")
            other.execute(INSERT, [10])
            assert other.execute("SELECT fold_anomaly_hours() > 0").fetchone() == (True,)
        assert differences(name) == []


@pytest.mark.parametrize("rebuilds", ["rebuild_anomaly_hours()", "rebuild_anomaly_tags()"])
def test_who_rebuilds_with_an_old_snapshot_is_refused(rebuilds):
    with database() as name:
        migrate(name)
        with connect(name) as session, session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(psycopg.errors.RaiseException, match="READ COMMITTED"):
                session.execute(f"SELECT {rebuilds}")
