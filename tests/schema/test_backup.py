"""manage.py backup and restore: the whole database into a file and out of it, nothing lost on the way."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from anomalies.models import Anomaly
from anomalies.schema.backup.pg_binaries import find, major, server_version
from driftlock.embedded_postgres.server import binaries
from tests.support.factories import anomaly_values
from tests.support.processes import manage, wait_until
from tests.support.servers import OLDEST, Server, database, why_no_postgres_15

pytestmark = pytest.mark.slow

NOT_15 = why_no_postgres_15()
AWKWARD = {
    "unicode": {"glass_box_explanation": "naïve 検知 👁 \u202e \\N \t\n'\"", "notes": "\\."},
    "numbers": {
        "baseline_entropy": float("nan"),
        "window_entropy": float("inf"),
        "entropy_change": float("-inf"),
        "compression_ratio_change": 0.1 + 0.2,
        "p_value": 5e-324,
    },
    "json": {"metadata": {"𝄞": [None, 1e300, -0.0, 12345678901234567890, {"": []}]}, "window_data": []},
    "no tags": {"tags": None},
    "empty tags": {"tags": []},
    "odd tags": {"tags": ["", "a,b", '"', "NULL", "{}"]},
    "times": {"timestamp": "1999-12-31T23:59:59.999999Z"},
}
EVIDENCE = {"baseline_data": [os.urandom(50).hex() for _ in range(42_000)]}  # 4 MB that does not compress


def run(connection: BaseDatabaseWrapper, *statements: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def said(command: str, *arguments: object, **options: Any) -> str:
    """The complete standard error of a command."""
    err = io.StringIO()
    try:
        call_command(command, *map(str, arguments), stderr=err, **options)
    except CommandError as error:
        err.write(f"CommandError: {error}")
    return err.getvalue()


def rows_of(connection: BaseDatabaseWrapper, table: str) -> list[tuple[Any, ...]]:
    """Every row as PostgreSQL writes it: another way of comparing than the one that is tested."""
    return run(connection, "SET TIME ZONE 'UTC'", f"SELECT t::text FROM {table} AS t ORDER BY 1")


def tables_of(connection: BaseDatabaseWrapper) -> list[str]:
    return [
        name
        for (name,) in run(
            connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
    ]


def fill(connection: BaseDatabaseWrapper) -> None:
    """Rows that are hard to carry, and decisions about them from addresses of both families."""
    anomalies = Anomaly.objects.using(connection.alias)
    for over in [*AWKWARD.values(), EVIDENCE]:
        anomalies.create(**anomaly_values(**over))
    for address in ("203.0.113.7", "2001:db8::7"):
        run(
            connection,
            f"SELECT set_config('driftlock.username', 'añа', false), "
            f"set_config('driftlock.address', '{address}', false)",
            "UPDATE anomalies SET notes = coalesce(notes, '') || '.'",
        )
    run(connection, "INSERT INTO performance_metrics (metric_type, duration_ms) VALUES ('ingest', 7)")
    connection.close()


@contextmanager
def migrated(alias: str, server: Server | None = None) -> Iterator[BaseDatabaseWrapper]:
    with database(alias, server) as connection:
        call_command("migrate", database=alias, verbosity=0)
        fill(connection)
        yield connection


@pytest.fixture(scope="module")
def source(django_db_setup, django_db_blocker) -> Iterator[BaseDatabaseWrapper]:
    with django_db_blocker.unblock(), migrated("source") as connection:
        yield connection


@pytest.fixture
def changed(source) -> Iterator[BaseDatabaseWrapper]:
    """A copy of the source, for a test to change."""
    source.close()
    with database("changed", template=source.settings_dict["NAME"]) as connection:
        yield connection


@pytest.fixture
def empty(source) -> Iterator[BaseDatabaseWrapper]:
    with database("empty") as connection:
        yield connection


@pytest.fixture(scope="module")
def once(source, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("backup") / "driftlock.dump"
    assert said("backup", file, database="source").endswith(f"the manifest is {file}.json\n")
    return file


@pytest.fixture
def file(once, tmp_path) -> Path:
    """A backup of the source, for a test to damage."""
    for each in (once, manifest_of(once)):
        shutil.copy(each, tmp_path)
    return tmp_path / once.name


def manifest_of(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change something in the manifest."""
    manifest = json.loads(manifest_of(file).read_text())
    change(manifest)
    manifest_of(file).write_text(json.dumps(manifest))


# --- there and back -------------------------------------------------------------------------------------


def test_every_row_comes_back_as_it_was(source, once, empty):
    assert said("restore", once, database="empty").endswith("all as in the manifest\n")
    tables = tables_of(source)
    assert tables_of(empty) == tables
    assert {name: rows_of(empty, name) for name in tables} == {name: rows_of(source, name) for name in tables}


def test_it_counts_what_it_verified(source, once, empty):
    manifest = json.loads(manifest_of(once).read_text())
    rows = sum(table["rows"] for table in manifest["tables"].values())
    last = said("restore", once, database="empty").splitlines()[-1]
    assert last.startswith(f"{len(tables_of(source))} tables, {rows} rows, {len(manifest['sequences'])} seq")


def test_the_record_is_not_added_to(source, once, empty):
    said("restore", once, database="empty")
    entries = "SELECT count(*), max(id), max(timestamp) FROM audit_log"
    assert run(empty, entries) == run(source, entries)


def test_the_roll_up_comes_back_and_goes_on(changed, empty, tmp_path):
    run(changed, "SELECT fold_anomaly_hours()", "DELETE FROM anomalies WHERE tags = '{}'")
    said("backup", tmp_path / "dump", database="changed")
    said("restore", tmp_path / "dump", database="empty")
    run(
        empty,
        "DELETE FROM anomalies WHERE id = (SELECT id FROM anomalies LIMIT 1)",
        "SELECT fold_anomaly_hours()",
    )
    assert run(empty, "SELECT count(*) FROM anomaly_hours_missing") == [(0,)]
    assert run(empty, "SELECT sum(total) = (SELECT count(*) FROM anomalies) FROM anomaly_totals") == [(True,)]


def test_sequences_go_on_where_they_were(once, empty):
    said("restore", once, database="empty")
    run(empty, "UPDATE anomalies SET notes = 'seen'")
    run(empty, "INSERT INTO performance_metrics (metric_type, duration_ms) VALUES ('ingest', 7)")
    assert run(empty, "SELECT count(*) FROM performance_metrics") == [(2,)]


def test_the_planner_knows_the_tables(once, empty):
    said("restore", once, database="empty")
    known = "SELECT reltuples FROM pg_class WHERE oid = 'anomalies'::regclass"
    assert run(empty, known) == [(len(AWKWARD) + 1,)]


def test_a_trigger_that_refuses_rows_does_not_hinder_a_restore(changed, empty, tmp_path):
    run(
        changed,
        "SET refuse.nothing = 'yet'",  # each of these statements is recorded itself
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF coalesce(current_setting('refuse.nothing', true), '') = '' THEN RAISE 'no'; END IF; RETURN NULL;"
        " END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_log EXECUTE FUNCTION refuse()",
        "ALTER TABLE audit_log ENABLE ALWAYS TRIGGER refuse",
        "RESET refuse.nothing",
    )
    said("backup", tmp_path / "dump", database="changed")
    assert said("restore", tmp_path / "dump", database="empty").endswith("all as in the manifest\n")
    assert run(empty, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'refuse'") == [("A",)]


def test_tables_outside_of_our_schema_are_part_of_it(changed, empty, tmp_path):
    run(
        changed,
        'CREATE SCHEMA "Other ""one"',
        'CREATE TABLE "Other ""one"."My table%%" (id serial, "Név" text)',
        'INSERT INTO "Other ""one"."My table%%" ("Név") VALUES (\'x\'), (NULL)',
    )
    said("backup", tmp_path / "dump", database="changed")
    assert said("restore", tmp_path / "dump", database="empty").endswith("all as in the manifest\n")
    assert len(run(empty, 'SELECT * FROM "Other ""one"."My table%%"')) == 2


@contextmanager
def writing(alias: str) -> Iterator[None]:
    """Somebody who inserts and decides, one transaction after the other, on a connection of his own."""
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        connection = connections[alias]  # of this thread
        while not stop.is_set():
            run(connection, "INSERT INTO performance_metrics (metric_type, duration_ms) VALUES ('x', 1)")
            run(
                connection, "UPDATE anomalies SET notes = left(notes, 100) || '.' WHERE baseline_data <> '[]'"
            )
            started.set()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_writers_go_on_and_the_manifest_is_of_the_same_moment(changed, empty, tmp_path):
    with writing("changed"):
        said("backup", tmp_path / "dump", database="changed")
    assert said("restore", tmp_path / "dump", database="empty").endswith("all as in the manifest\n")
    written = "SELECT count(*) FROM performance_metrics"
    assert 1 < run(empty, written)[0][0] < run(changed, written)[0][0]


def test_afterwards_it_says_what_migrate_would_do(changed, once, empty, tmp_path):
    assert "manage.py migrate has nothing to do" in said("restore", once, database="empty")
    call_command("migrate", "anomalies", "0008", database="changed", verbosity=0)
    said("backup", tmp_path / "older", database="changed")
    with database("second"):
        last = said("restore", tmp_path / "older", database="second").splitlines()
    assert "to do: manage.py migrate (" in last[-2] and last[-1].endswith("all as in the manifest")


# --- grants ---------------------------------------------------------------------------------------------


@pytest.fixture
def granted(changed, tmp_path) -> Iterator[Path]:
    """A backup with a grant to a role, and something taken from everybody."""
    run(
        changed,
        'CREATE ROLE "a reader\'s"',
        'GRANT SELECT ON anomalies TO "a reader\'s" WITH GRANT OPTION',
        "REVOKE EXECUTE ON FUNCTION next_version FROM PUBLIC",
    )
    said("backup", tmp_path / "granted", database="changed")
    yield tmp_path / "granted"
    run(changed, 'DROP OWNED BY "a reader\'s"')
    run(changed, 'DROP ROLE IF EXISTS "a reader\'s"')


def grants(connection: BaseDatabaseWrapper) -> list[tuple[Any, ...]]:
    return run(
        connection,
        """
        SELECT has_table_privilege('a reader''s', 'anomalies', 'SELECT'),
               has_function_privilege('a reader''s', oid, 'EXECUTE')
        FROM pg_proc WHERE proname = 'next_version'
        """,
    )


def test_grants_come_back_where_the_roles_are_there(granted, empty):
    said("restore", granted, database="empty")
    assert grants(empty) == [(True, False)]
    run(empty, 'DROP OWNED BY "a reader\'s"')


def test_without_the_roles_a_restore_is_refused_unless_grants_are_left_out(granted, empty, changed):
    run(changed, 'DROP OWNED BY "a reader\'s"', 'DROP ROLE "a reader\'s"')
    refused = said("restore", granted, database="empty")
    assert "roles that this server does not have: a reader's." in refused
    assert tables_of(empty) == []
    assert said("restore", granted, database="empty", no_privileges=True).endswith("as in the manifest\n")
    run(changed, 'CREATE ROLE "a reader\'s"')


# --- what is refused ------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1000)


def flip(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


def of_a_newer_driftlock(file: Path) -> None:
    edit(file, lambda manifest: manifest["migrations"].append(["anomalies", "9999_telepathy"]))


def of_a_newer_server(file: Path) -> None:
    edit(file, lambda manifest: manifest.update(server_version="99.1"))


DAMAGES = {
    "it is cut short": cut,
    "its SHA-256 is not that of the manifest": flip,
    "driftlock.dump can't be read: No such file": Path.unlink,
    "driftlock.dump.json is missing": lambda file: manifest_of(file).unlink(),
    "it is damaged": lambda file: os.truncate(manifest_of(file), 99),
    "has format 2; this Driftlock knows 1": lambda file: edit(file, lambda m: m.update(format=2)),
    "'tables' is missing or wrong": lambda file: edit(file, lambda m: m.pop("tables")),
    "this one does not know anomalies.9999_telepathy": of_a_newer_driftlock,
    "restore it into PostgreSQL 99 or newer": of_a_newer_server,
    "the backup in LATIN1": lambda file: edit(file, lambda m: m.update(encoding="LATIN1")),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_what_can_be_known_before_is_refused_before(words, file, empty):
    DAMAGES[words](file)
    complaint = said("restore", file, database="empty").splitlines()[-1]
    assert complaint.startswith("CommandError: ") and words in complaint
    assert tables_of(empty) == []


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        ("CREATE TABLE mine (x int)", "table mine"),
        ("CREATE SCHEMA other", "schema other"),
        ("CREATE SEQUENCE counted", "sequence counted"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f"),
        ("CREATE TYPE mood AS ENUM ('fine')", "type mood"),
        ("CREATE VIEW seen AS SELECT 1 AS one", "view seen"),
    ],
)
def test_a_database_that_holds_anything_is_refused(thing, named, once, empty):
    run(empty, thing)
    assert f"is not empty; it has {named}." in said("restore", once, database="empty")


MISMATCHES = {
    "table public.anomalies holds": lambda m: m["tables"]["public.anomalies"].update(sums="0-0"),
    "table public.audit_log holds": lambda m: m["tables"]["public.audit_log"].update(rows=99),
    "table public.gone is missing": lambda m: m["tables"].update({"public.gone": {"rows": 0, "sums": "0-0"}}),
    "table public.anomalies is not in the manifest": lambda m: m["tables"].pop("public.anomalies"),
    "sequence public.audit_log_id_seq holds": lambda m: m["sequences"].update(
        {"public.audit_log_id_seq": [1, True]}
    ),
    "migration anomalies.0001_contract_tables is not in the manifest": lambda m: m["migrations"].remove(
        ["anomalies", "0001_contract_tables"]
    ),
    "0 large objects instead of 3": lambda m: m.update(large_objects=3),
}


@pytest.mark.parametrize("words", MISMATCHES)
def test_a_difference_from_the_manifest_is_named(words, file, empty):
    edit(file, MISMATCHES[words])
    with pytest.raises(CommandError, match="1 differences from the manifest: drop this database"):
        call_command("restore", str(file), database="empty", stderr=(err := io.StringIO()))
    assert words in err.getvalue()


def test_a_restore_that_fails_on_its_way_leaves_the_database_empty(changed, empty, tmp_path):
    run(  # a function that only works with a search path, which a restore does not have
        changed,
        "CREATE FUNCTION one() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION two(uuid) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN one(); END'",
        "ALTER TABLE anomalies ADD CONSTRAINT breaks CHECK (two(id) = 1)",
    )
    said("backup", tmp_path / "dump", database="changed")
    failed = said("restore", tmp_path / "dump", database="empty")
    assert "CommandError: pg_restore failed: " in failed and "function one() does not exist" in failed
    assert tables_of(empty) == []


# --- the files ------------------------------------------------------------------------------------------


def test_only_the_owner_can_read_them(once):
    assert [stat.S_IMODE(each.stat().st_mode) for each in (once, manifest_of(once))] == [0o600, 0o600]


@pytest.mark.parametrize("existing", ["dump", "dump.json"])
def test_an_existing_file_is_refused_and_kept(existing, source, tmp_path):
    (tmp_path / existing).write_text("mine")
    assert f"{existing} exists already" in said("backup", tmp_path / "dump", database="source")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {existing: "mine"}


def test_force_replaces_a_backup(file, source, empty):
    cut(file), manifest_of(file).write_text("nothing")
    said("backup", file, database="source", force=True)
    assert sorted(file.parent.iterdir()) == [file, manifest_of(file)]
    assert said("restore", file, database="empty").endswith("all as in the manifest\n")


def test_a_folder_that_is_not_there_is_named(source, tmp_path):
    assert f"there is no folder {tmp_path}/no; make" in said(
        "backup", tmp_path / "no" / "x", database="source"
    )


def test_a_full_disk_leaves_nothing(source, tmp_path):
    at_most = (1_000_000, 1_000_000)  # bytes of a file: the same to a program as a disk that is full
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, at_most)  # noqa: E731
    name = source.settings_dict["NAME"]
    process = manage("backup", str(tmp_path / "dump"), database=name, preexec_fn=limit)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "no room left for" in err.decode().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_backup_that_is_ended_leaves_no_file_and_no_process(number, code, source, tmp_path):
    process = manage("backup", str(tmp_path / "dump"), database=source.settings_dict["NAME"])
    wait_until(lambda: children(process))
    dumping = children(process)
    process.send_signal(number)
    process.communicate(timeout=600)
    assert (process.returncode, list(tmp_path.iterdir())) == (code, [])
    wait_until(lambda: not any(each.is_running() for each in dumping))


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The pg_dump that works for a backup; another child may end while it is looked at."""
    found = []
    for each in psutil.Process(process.pid).children():
        with suppress(psutil.Error):
            found += [each] if "--format=custom" in each.cmdline() else []
    return found


# --- pg_dump and pg_restore -----------------------------------------------------------------------------


def test_the_password_is_on_no_command_line(changed, tmp_path):
    real = find("pg_dump", changed, None, major(server_version(changed))).path.parent
    for name in ("pg_dump", "pg_restore"):  # the real ones, with a witness before each
        (tmp_path / name).write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n'
            f'echo "$PGPASSWORD" >> {tmp_path}/password\nexec {real}/{name} "$@"\n'
        )
        (tmp_path / name).chmod(0o755)
    connections.databases["changed"]["PASSWORD"] = changed.settings_dict["PASSWORD"] = "s3cret"
    said("backup", tmp_path / "dump", database="changed", pg_bin=tmp_path)
    assert "--snapshot=" in (tmp_path / "arguments").read_text()
    assert "s3cret" not in (tmp_path / "arguments").read_text()
    assert "s3cret" in (tmp_path / "password").read_text()


def test_a_folder_without_pg_dump_is_reported(source, tmp_path):
    wanted = major(server_version(source))
    complaint = said("backup", tmp_path / "dump", database="source", pg_bin=tmp_path)
    assert f"pg_dump of PostgreSQL {wanted} or newer is needed; found: none at all." in complaint


# --- from PostgreSQL 15 to 18 ---------------------------------------------------------------------------

on_15_too = pytest.mark.skipif(NOT_15 is not None, reason=str(NOT_15))


@pytest.fixture(scope="module")
def old(source) -> Iterator[BaseDatabaseWrapper]:
    """A filled database on PostgreSQL 15."""
    with Server(OLDEST, fsync="off") as server, migrated("old", server) as connection:
        yield connection


@pytest.fixture(scope="module")
def new_server(source) -> Iterator[Server]:
    with Server(fsync="off") as server:
        yield server


@pytest.fixture
def new(new_server) -> Iterator[BaseDatabaseWrapper]:
    """An empty database on PostgreSQL 18."""
    with database("new", new_server) as connection:
        yield connection


@on_15_too
def test_from_postgresql_15_to_18_every_row_comes_back(old, new, tmp_path):
    assert "from PostgreSQL 15." in said("backup", tmp_path / "dump", database="old")
    shown = said("restore", tmp_path / "dump", database="new")
    assert "into PostgreSQL 18." in shown and shown.endswith("all as in the manifest\n")
    tables = tables_of(old)
    assert {name: rows_of(new, name) for name in tables} == {name: rows_of(old, name) for name in tables}


@on_15_too
def test_from_postgresql_18_to_15_is_refused(old, new_server, tmp_path):
    with migrated("filled", new_server):
        said("backup", tmp_path / "dump", database="filled")
    complaint = said("restore", tmp_path / "dump", database="old")
    assert "restore it into PostgreSQL 18 or newer" in complaint


@on_15_too
def test_a_dump_that_the_server_would_not_understand_is_refused(old, tmp_path):
    shown = said("backup", tmp_path / "dump", database="old", pg_bin=binaries())
    assert "only PostgreSQL 17 or newer" in shown
    complaint = said("restore", tmp_path / "dump", database="old")
    assert "restore it into 17 or newer, or dump with pg_dump 15 (--pg-bin)" in complaint


@on_15_too
def test_a_pg_dump_older_than_the_server_is_not_used(new, tmp_path):
    complaint = said("backup", tmp_path / "dump", database="new", pg_bin=OLDEST)
    assert "pg_dump of PostgreSQL 18 or newer is needed; found: 15." in complaint
