"""``manage.py schema adopt`` on a database that others use: roles, writers, readers, kills."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from tests.support.databases import get_through
from tests.support.processes import manage, wait_until
from tests.support.programs.golang_migrate import CONTRACT, OLD_INSERT, Database
from tests.support.sizes import amount

pytestmark = pytest.mark.slow

KILLS = amount("DRIFTLOCK_ADOPT_KILLS")


@pytest.fixture
def role(database) -> Iterator[str]:
    """A role without rights; what it was given in the database goes with the database."""
    name = f"role_{secrets.token_hex(4)}"
    database.run(f"CREATE ROLE {name} LOGIN PASSWORD 'password'")
    yield name
    database.run(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


@contextmanager
def repeated(work: Callable[[], None]) -> Iterator[list[Exception]]:
    """Do it again and again beside; gives the list of what failed."""
    failures: list[Exception] = []
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            try:
                work()
            except psycopg.Error as error:
                failures.append(error)
            time.sleep(0.01)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield failures
    finally:
        done.set()
        thread.join()


# --- readers ----------------------------------------------------------------------------------------------


def test_a_dashboards_role_reads_and_an_old_writer_inserts_before_during_and_after(database, role):
    database.run(f"GRANT SELECT ON recent_significant_anomalies, anomaly_stats_by_stream TO {role}")
    old = "SELECT stream_type, dismissed_count FROM anomaly_stats_by_stream"
    with database.connect() as dashboard, database.connect() as writer:
        dashboard.execute(f"SET ROLE {role}")
        ask = ("TABLE recent_significant_anomalies", old)
        reading = repeated(lambda: [dashboard.execute(each).fetchall() for each in ask])
        with reading as unread, repeated(lambda: writer.execute(OLD_INSERT)) as unwritten:
            assert database.schema("adopt", "--apply")[0] == 0
            assert database.schema("adopt", "--undo")[0] == 0
        dashboard.execute("TABLE anomaly_stats_by_stream")
    assert (unread, unwritten) == ([], [])


def test_a_view_that_reads_ours_does_not_block(database):
    database.run("CREATE SCHEMA bi; CREATE VIEW bi.open AS SELECT * FROM anomaly_stats_by_stream")
    assert database.schema("adopt", "--apply")[0] == 0
    assert database.run("SELECT count(*) FROM bi.open") == [(1,)]


def test_a_view_of_other_columns_that_others_read_blocks(database):
    database.run("DROP VIEW anomaly_stats_by_stream; CREATE VIEW anomaly_stats_by_stream AS SELECT 1 AS one")
    database.run("CREATE SCHEMA bi; CREATE VIEW bi.open AS SELECT * FROM anomaly_stats_by_stream")
    code, printed, _ = database.schema_here("adopt")
    assert code == 1 and "can't be replaced while bi.open depends on it" in printed


# --- writers ----------------------------------------------------------------------------------------------


def test_rows_that_others_change_during_it_do_not_fail_it(database):
    change = (
        "UPDATE anomalies SET notes = now()::text WHERE id = "
        "(SELECT id FROM anomalies WHERE glass_box_explanation < 'row 2' ORDER BY random() LIMIT 1)"
    )
    with database.connect() as other, repeated(lambda: other.execute(change)) as failures:
        code, printed, said = database.schema("adopt", "--apply")
    assert (code, failures) == (0, []), said
    assert "other programs changed or deleted" in printed


def test_behind_a_long_reader_others_get_through(database):
    """Whoever waits for a lock that the reader's makes impossible steps back, so that others get through."""
    inserted: list[None] = []

    def insert() -> None:
        other.execute(OLD_INSERT)
        inserted.append(None)

    with database.connect() as reader, database.connect() as other, repeated(insert) as failures:
        reader.execute("BEGIN; SELECT count(*) FROM anomalies")
        process = manage("schema", "adopt", "--apply", database=database.name, remembers=True)
        for _ in range(2):
            get_through(database.name, other.info.backend_pid, lambda: len(inserted))
        reader.execute("COMMIT")
        process.communicate(timeout=600)
    assert (process.returncode, failures) == (0, [])


# --- whose it is ------------------------------------------------------------------------------------------


def test_what_another_role_owns_is_adopted_in_its_name(database, role):
    """The superuser who runs it leaves nothing of its own behind."""
    tables = ("anomalies", "detection_config", "performance_metrics", "audit_log", "schema_migrations")
    database.run("; ".join(f"ALTER TABLE {table} OWNER TO {role}" for table in tables))
    for view in ("recent_significant_anomalies", "anomaly_stats_by_stream"):
        database.run(f"ALTER VIEW {view} OWNER TO {role}")
    database.run(f"ALTER FUNCTION update_updated_at_column() OWNER TO {role}")
    database.run(f"GRANT CREATE ON SCHEMA public TO {role}")
    code, _, said = database.schema("adopt", "--apply")
    assert code == 0, said
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = 'public'"
    assert database.run(owners) == [(role,)]
    assert database.schema("check")[:2] == (0, "")


def test_tables_of_a_role_that_one_is_no_member_of_are_not_adopted(database, role, monkeypatch):
    database.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"options": f"-c role={role}"})
    code, _, said = database.schema_here("adopt", "--apply")
    assert code == 1 and "the tables belong to" in said
    assert database.run("SELECT to_regclass('schema_adoptions')") == [(None,)]


def test_a_search_path_that_leads_elsewhere_is_refused(database):
    database.run(f"CREATE SCHEMA other; ALTER DATABASE {database.name} SET search_path = other, public")
    code, _, said = database.schema_here("adopt", "--apply")
    assert code == 1 and "search_path: other, public" in said
    assert f"IN DATABASE {database.name} SET search_path = public" in said


def test_without_createdb_an_empty_database_can_be_named(database):
    code, _, said = database.schema_here("adopt", "--scratch", database.name)
    assert code == 1 and "that database is not empty" in said
    empty = f"{database.name}_empty"
    database.run(f"CREATE DATABASE {empty} TEMPLATE template0")
    try:
        assert database.schema_here("adopt", "--apply", "--scratch", empty)[0] == 0
        assert database.schema_here("check", "--scratch", empty)[:2] == (0, "")
    finally:
        database.run(f"DROP DATABASE {empty} WITH (FORCE)")


# --- kills ------------------------------------------------------------------------------------------------


def killed(dice: random.Random, database: Database, *arguments: str) -> None:
    """Begin it, kill it somewhere between start and end, and run it again."""
    process = manage("schema", *arguments, database=database.name)
    time.sleep(dice.uniform(0.6, 2.4))
    process.kill()
    process.communicate()
    code, _, said = database.schema(*arguments)
    assert code == 0 or "was not adopted" in said, said


def test_killed_anywhere_it_goes_on_there_and_back(database):
    database.run("ALTER TABLE anomalies ALTER p_value DROP NOT NULL; DROP INDEX idx_anomalies_tags")
    before = database.run(CONTRACT)
    dice = random.Random(2026)
    for _ in range(KILLS):
        killed(dice, database, "adopt", "--apply")
        assert database.schema("check")[:2] == (0, "")
        killed(dice, database, "adopt", "--undo")
        assert database.run(CONTRACT) == before
        gone = "SELECT to_regclass('django_migrations'), to_regclass('idx_anomalies_tags')"
        assert database.run(gone) == [(None, None)]


def test_a_column_that_was_to_become_not_null_is_gone_on_with(database):
    """Killed between the CHECK that proves it and the end, it finds that CHECK and takes it for its own."""
    database.run("ALTER TABLE anomalies ALTER p_value DROP NOT NULL")
    with database.connect() as reader:
        process = manage("schema", "adopt", "--apply", database=database.name, remembers=True)
        steps = "SELECT 1 FROM schema_adoptions WHERE steps::text LIKE '%%p_value_is_there%%'"
        wait_until(lambda: database.run("SELECT to_regclass('schema_adoptions')") != [(None,)])
        wait_until(lambda: database.run(steps))
        process.kill()
        process.communicate()
        reader.execute("SELECT 1")
    code, _, said = database.schema("adopt", "--apply")
    assert code == 0, said
    assert database.schema("check")[:2] == (0, "")


def test_an_index_whose_build_was_killed_while_undoing_is_built_again(database):
    """CONCURRENTLY leaves an invalid one, that IF NOT EXISTS would take for the whole."""
    built = "CREATE INDEX idx_anomalies_status ON anomalies (p_value)"
    database.run(f"DROP INDEX idx_anomalies_status; {built}")
    assert database.schema("adopt", "--apply")[0] == 0
    with database.connect() as reader:
        process = manage("schema", "adopt", "--undo", database=database.name, remembers=True)
        # Migrations build indexes on the way down, too: each of these two until the other is there.
        ours = "SELECT 1 FROM pg_class WHERE relname IN ('idx_anomalies_walk_ncd', 'idx_anomalies_by_ncd')"
        wait_until(lambda: not database.run(ours))
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM schema_migrations")
        invalid = (
            "SELECT 1 FROM pg_index WHERE NOT indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(p_value)'"
        )
        wait_until(lambda: database.run(invalid))
        process.kill()
        process.communicate()
        at_work = (
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'"
        )
        wait_until(lambda: not database.run(at_work))  # the server notices it within a second
        assert database.run(invalid) == [(1,)]
        reader.execute("COMMIT")
    code, _, said = database.schema("adopt", "--undo")
    assert code == 0, said
    assert database.run("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    assert "(p_value)" in database.run("SELECT pg_get_indexdef('idx_anomalies_status'::regclass)")[0][0]


def test_decisions_that_were_taken_stay_when_it_is_undone(adopted):
    decided = "status = 'dismissed', dismissed_by = 'ana', dismissed_at = now()"
    adopted.run(f"UPDATE anomalies SET {decided} WHERE glass_box_explanation < 'row 2'")
    decisions = "SELECT count(*) FROM audit_log WHERE resource_type = 'anomaly'"
    (recorded,) = adopted.run(decisions)
    before = adopted.run(CONTRACT)
    code, _, said = adopted.schema("adopt", "--undo")
    assert code == 0, said
    assert adopted.run(CONTRACT) == before
    assert recorded[0] > 0 and adopted.run(decisions) == [recorded]


def test_without_createdb_it_says_what_else_can_be_done(database, role, monkeypatch):
    database.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"options": f"-c role={role}"})
    database.run(f"GRANT {connection.get_connection_params()['user']} TO {role}")
    code, _, said = database.schema_here("adopt")
    database.run(f"REVOKE {connection.get_connection_params()['user']} FROM {role}")
    assert code == 1 and "permission denied to create database" in said and "--scratch NAME" in said
