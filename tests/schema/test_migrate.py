"""``manage.py migrate``: many at once, under traffic, killed; each a process on a database of its own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg
import pytest

from scripts.land_migrations import present
from tests.support.databases import catalog, connect, database, get_through
from tests.support.processes import manage, wait_until
from tests.support.programs.golang_migrate import OLD_INSERT

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PATIENTLY = ("--lock-timeout", "1", "--patience", "60")
BEFORE_REPLACED = ("anomalies", "0028")  # the last migration at which the indexes of 0007 are all there
INDEXES = ["idx_anomalies_status_time", "idx_anomalies_stream_time", "idx_anomalies_search"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def at_0006(django_db_setup, django_db_blocker) -> Iterator[str]:
    """A database in which everything is applied but the migrations from 0007 on."""
    with django_db_blocker.unblock(), database() as name:
        assert migrate(name).code == 0
        assert migrate(name, "anomalies", "0006").code == 0
        yield name


@pytest.fixture(scope="module")
def at_0004(django_db_setup, django_db_blocker, at_0006) -> Iterator[str]:
    """A database in which the next migration is an ALTER TABLE of anomalies."""
    with django_db_blocker.unblock(), database(at_0006) as name:
        assert migrate(name, "anomalies", "0004").code == 0
        yield name


def migrate(name: str, *args: str) -> Ended:
    return end_of(manage("migrate", *args, database=name))


def end_of(process) -> Ended:
    out, err = process.communicate(timeout=600)
    return Ended(process.returncode, out.decode(), err.decode())


def rows(name: str, query: str, *values) -> list[tuple]:
    with connect(name) as session:
        return session.execute(query, values).fetchall()


def valid(name: str) -> dict[str, bool]:
    """The indexes of 0007 that are there, and whether they are valid."""
    found = rows(
        name,
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = ANY(%s)",
        INDEXES,
    )
    return dict(found)


def applied(name: str) -> list[str]:
    return [
        row[0] for row in rows(name, "SELECT name FROM django_migrations WHERE app = 'anomalies' ORDER BY 1")
    ]


@contextmanager
def transaction(name: str, *statements: str) -> Iterator[psycopg.Connection]:
    """A client whose transaction stays open."""
    with connect(name) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        for statement in statements:
            session.execute(statement)
        yield session


def waits_for_a_lock(name: str) -> bool:
    return bool(
        rows(
            name,
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND application_name = 'driftlock migrate'",
        )
    )


def nobody_migrates(name: str) -> bool:
    return not rows(
        name,
        "SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()",
    )


# --- many at once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [2, 8])
def test_of_several_at_once_on_an_empty_database_one_works_and_all_exit_0(many):
    with database() as name:
        ended = [end_of(process) for process in [manage("migrate", database=name) for _ in range(many)]]
        assert [one.code for one in ended] == [0] * many, ended
        assert sum("Applying" in one.out for one in ended) == 1
        assert sum("No migrations to apply" in one.out for one in ended) == many - 1
        assert rows(name, "SELECT count(*) - count(DISTINCT (app, name)) FROM django_migrations") == [(0,)]


def test_who_waits_for_another_migrate_says_so(at_0006):
    with database(at_0006) as name, connect(name, application_name="deploy") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x64726966746C6F63])
        waiting = manage("migrate", database=name)
        said = waiting.stderr.readline().decode()
        holder = f"process {other.info.backend_pid} (driftlock, deploy"
        other.execute("SELECT pg_advisory_unlock_all()")
        ended = end_of(waiting)
    assert "another migrate is at work; waiting" in said
    assert holder in said
    assert (ended.code, "going on" in ended.err) == (0, True)


# --- under traffic --------------------------------------------------------------------------------------


class Traffic:
    """A client that reads and writes a table all the time; ``rounds``: how often it did both."""

    def __init__(self, name: str, table: str = "anomalies") -> None:
        self.rounds, self._table = 0, table
        self._done = threading.Event()
        self._session = connect(name)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._done.wait(0.02):
            for statement in ("SELECT FROM {} LIMIT 1", "UPDATE {} SET notes = notes"):
                self._session.execute(statement.format(self._table))
            self.rounds += 1

    def get_through(self, name: str) -> None:
        get_through(name, self._session.info.backend_pid, lambda: self.rounds)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._done.set()
        self._thread.join()
        self._session.close()


def test_behind_a_long_reader_others_get_through_and_migrate_wins_in_the_end(at_0004):
    with database(at_0004) as name:
        with transaction(name, "SELECT FROM anomalies") as reader, Traffic(name) as traffic:
            blocker = f"process {reader.info.backend_pid} "
            migrating = manage("migrate", database=name)
            traffic.get_through(name)
            traffic.get_through(name)
            reader.execute("COMMIT")
            ended = end_of(migrating)
        assert ended.code == 0, ended.err
        assert f"anomalies.0005_triage_columns waits for {blocker}" in ended.err
        assert applied(name)[4] == "0005_triage_columns"


def test_a_lock_that_is_had_is_not_kept_while_waiting_for_the_next_one(at_0004):
    with database(at_0004) as name:
        # 0008 going down wants detection_config first, and anomalies then.
        assert migrate(name, "anomalies", "0008").code == 0
        with transaction(name, "SELECT FROM anomalies"), Traffic(name, "detection_config") as traffic:
            migrating = manage("migrate", "anomalies", "0007", "--patience", "8", database=name)
            traffic.get_through(name)
            ended = end_of(migrating)
        assert (ended.code, applied(name)[-1]) == (1, "0008_audit_triggers")


LONG_WAIT = """
    SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database AND datname = current_database()
    WHERE relation = 'anomalies'::regclass AND now() - waitstart"""
SLOW_INSERT = """
    CREATE FUNCTION wait_for_7() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
    CREATE TRIGGER a_slow_one BEFORE INSERT ON anomalies FOR EACH ROW EXECUTE FUNCTION wait_for_7();
"""


def test_a_writer_whose_triggers_have_not_written_the_audit_log_yet_is_waited_for(at_0006):
    with database(at_0006) as name, connect(name) as gate, connect(name) as writer:
        assert migrate(name, "anomalies", "0011").code == 0
        writer.execute(SLOW_INSERT)
        gate.execute("SELECT pg_advisory_lock(7)")
        inserting = threading.Thread(target=writer.execute, args=[OLD_INSERT])
        inserting.start()
        migrating = manage("migrate", "anomalies", "0010", "--lock-timeout", "600", database=name)
        # By then PostgreSQL has looked for a deadlock once, and would find a later one as the writer's.
        wait_until(lambda: rows(name, f"{LONG_WAIT} > current_setting('deadlock_timeout')::interval * 1.2"))
        gate.execute("SELECT pg_advisory_unlock(7)")
        inserting.join()
        assert end_of(migrating).code == 0
        assert rows(name, "SELECT count(*) FROM anomalies") == [(1,)]


def test_a_connection_that_is_lost_is_one_line_and_the_next_run_goes_on(at_0004):
    with database(at_0004) as name:
        with transaction(name, "SELECT FROM anomalies"), connect(name) as operator:
            migrating = manage("migrate", "--lock-timeout", "60", database=name)
            wait_until(lambda: waits_for_a_lock(name))
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'driftlock migrate'"
            )
            ended = end_of(migrating)
        assert (ended.code, "Traceback" in ended.err) == (1, False)
        assert "terminating connection" in ended.err
        assert "a former migrate was cut off" in migrate(name).err


def test_giving_up_names_who_was_in_the_way_and_leaves_everything_as_it_was(at_0004):
    with database(at_0004) as name, transaction(name, "SELECT FROM anomalies") as reader:
        before = catalog(name)
        ended = migrate(name, "--lock-timeout", "0.5", "--patience", "2")
        assert ended.code == 1
        assert "gave up anomalies.0005_triage_columns after 2 s" in ended.err
        assert f"pg_terminate_backend({reader.info.backend_pid})" in ended.err
        assert "Traceback" not in ended.err
        assert catalog(name) == before


@pytest.mark.parametrize(
    "use", ["INSERT INTO detection_config DEFAULT VALUES", "UPDATE anomalies SET notes = ''"]
)
def test_an_index_build_that_gives_up_leaves_everything_as_it_was(at_0006, use):
    with database(at_0006) as name, transaction(name, use):
        time.sleep(0.7)  # older than the lock timeout: seen before anything is begun
        before = catalog(name)
        ended = migrate(name, "--lock-timeout", "0.5", "--patience", "2")
        assert (ended.code, "gave up building index idx_anomalies_status_time" in ended.err) == (1, True)
        assert catalog(name) == before


def test_a_roles_statement_timeout_does_not_end_a_build(at_0006):
    with database(at_0006) as name:
        rows_of_a_setting = f'ALTER DATABASE "{name}" SET statement_timeout = 1500'
        with connect(name) as session:
            session.execute(rows_of_a_setting)
        with transaction(name, "UPDATE anomalies SET notes = ''") as writer:
            migrating = manage("migrate", "--lock-timeout", "60", *BEFORE_REPLACED, database=name)
            wait_until(lambda: waits_for_a_lock(name))
            time.sleep(2)
            writer.execute("COMMIT")
        assert end_of(migrating).code == 0
        assert valid(name) == dict.fromkeys(INDEXES, True)


# --- killed ---------------------------------------------------------------------------------------------


def killed_while_building(name: str) -> None:
    """kill -9 of a migrate whose first index is built and whose second waits for a writer."""
    with connect(name) as session:
        # Of the three builds the first finds nobody in the way.
        session.execute(
            "CREATE INDEX CONCURRENTLY idx_anomalies_status_time ON anomalies"
            " (status, timestamp DESC, id DESC)"
        )
    with transaction(name, "UPDATE anomalies SET notes = ''"):
        migrating = manage("migrate", "--lock-timeout", "60", database=name)
        wait_until(lambda: waits_for_a_lock(name))
        migrating.kill()
        migrating.communicate()
        wait_until(lambda: nobody_migrates(name))


def test_after_a_kill_in_the_midst_of_a_build_the_next_run_says_it_and_builds_it_again(at_0006):
    with database(at_0006) as name:
        killed_while_building(name)
        assert valid(name) == {INDEXES[0]: True, INDEXES[1]: False}
        ended = migrate(name, *BEFORE_REPLACED)
        assert ended.code == 0, ended.err
        assert "a former migrate was cut off" in ended.err
        assert f"left unfinished: index {INDEXES[1]} of anomalies" in ended.err
        assert f"index {INDEXES[0]} is there already, whole" in ended.err
        assert valid(name) == dict.fromkeys(INDEXES, True)


def test_the_lock_goes_with_a_killed_process_even_while_its_statement_waits(at_0006):
    with database(at_0006) as name, transaction(name, "UPDATE anomalies SET notes = ''"):
        migrating = manage("migrate", "--lock-timeout", "60", database=name)
        wait_until(lambda: waits_for_a_lock(name))
        migrating.kill()
        migrating.communicate()
        wait_until(lambda: nobody_migrates(name), seconds=10)


def test_after_a_kill_between_two_migrations_the_next_run_says_what_was_done_and_goes_on(at_0004):
    with database(at_0004) as name:
        with transaction(name, "LOCK TABLE detection_config IN ROW EXCLUSIVE MODE"):  # 0008 waits for it
            migrating = manage("migrate", "--lock-timeout", "60", database=name)
            wait_until(lambda: "0007_list_indexes" in applied(name) and waits_for_a_lock(name))
            migrating.kill()
            migrating.communicate()
            wait_until(lambda: nobody_migrates(name))
        ended = migrate(name)
        assert re.search(
            r"  applied: anomalies.0005_triage_columns \(\d\d:\d\d:\d\d\), anomalies.0006", ended.err
        )
        assert "not applied: anomalies.0008_audit_triggers, anomalies.0009_roles" in ended.err
        assert (ended.code, applied(name)[-1]) == (0, max(present()).removesuffix(".py"))
        assert "cut off" not in migrate(name).err


def test_a_taking_back_that_was_killed_half_way_is_finished_in_either_direction(at_0006):
    with database(at_0006) as name:
        migrate(name, "anomalies", "0007")
        with transaction(name, "SELECT FROM anomalies"):
            migrating = manage("migrate", "--lock-timeout", "60", "anomalies", "0006", database=name)
            wait_until(lambda: waits_for_a_lock(name))
            migrating.kill()
            migrating.communicate()
            wait_until(lambda: nobody_migrates(name))
        with connect(name) as session:  # as if it had come further
            session.execute(f"DROP INDEX {INDEXES[1]}")
        with database(name) as forth:
            assert migrate(forth, "anomalies", "0007").code == 0
            assert valid(forth) == dict.fromkeys(INDEXES, True)
        assert migrate(name, "anomalies", "0006").code == 0
        assert valid(name) == {}


def test_an_index_that_became_invalid_after_its_migration_is_rebuilt(at_0006):
    with database(at_0006) as name:
        migrate(name, *BEFORE_REPLACED)
        with transaction(name, "SELECT FROM anomalies"), connect(name) as session:
            session.execute("SET lock_timeout = 300")
            with suppress(psycopg.errors.LockNotAvailable):
                session.execute("DROP INDEX CONCURRENTLY idx_anomalies_search")
        assert valid(name)["idx_anomalies_search"] is False
        ended = migrate(name, *BEFORE_REPLACED)
        assert "rebuilding the unfinished index idx_anomalies_search" in ended.err
        assert valid(name)["idx_anomalies_search"] is True


def test_an_index_that_was_all_but_dropped_is_built_again(at_0006):
    with database(at_0006) as name:
        migrate(name, *BEFORE_REPLACED)
        with connect(name) as session:
            session.execute(
                "UPDATE pg_index SET indisvalid = false, indisready = false, indislive = false"
                " WHERE indexrelid = 'idx_anomalies_search'::regclass"
            )
        assert migrate(name, *BEFORE_REPLACED).code == 0
        assert valid(name)["idx_anomalies_search"] is True


def test_an_index_of_the_name_with_another_definition_is_refused(at_0006):
    with database(at_0006) as name:
        with connect(name) as session:
            session.execute("CREATE INDEX idx_anomalies_status_time ON anomalies (status)")
        ended = migrate(name)
        assert (ended.code, "already exists" in ended.err) == (1, True)


# --- what Django's does ---------------------------------------------------------------------------------


def test_plan_and_check_wait_for_nobody(at_0006):
    with database(at_0006) as name, connect(name) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x64726966746C6F63])
        assert "anomalies.0007_list_indexes" in migrate(name, "--plan").out
        assert migrate(name, "--check").code == 1


def test_fake_records_and_touches_nothing(at_0006):
    with database(at_0006) as name:
        assert migrate(name, "--fake", "anomalies", "0007").code == 0
        assert (applied(name)[-1], valid(name)) == ("0007_list_indexes", {})


def test_prune_forgets_a_migration_that_is_gone(at_0006):
    with database(at_0006) as name:
        with connect(name) as session:
            session.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('anomalies', '0000_gone', now())"
            )
        assert migrate(name, "--prune", "anomalies").code == 0
        assert "0000_gone" not in applied(name)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none_is_a_usage_error(given):
    assert end_of(manage("migrate", "--patience", given)).code == 2
