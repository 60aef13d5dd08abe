"""Before the first statement ``migrate`` says what a database lacks, with the statement that mends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.schema import preflight
from anomalies.schema.preflight import PreflightError
from tests.support import databases, servers
from tests.support.databases import as_default, connect, reached
from tests.support.processes import manage
from tests.support.programs.golang_migrate import made_by_golang_migrate
from tests.support.programs.pgbouncer import needed, pgbouncer

pytestmark = pytest.mark.slow

RELATIONS = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@pytest.fixture(autouse=True)
def unblocked(django_db_setup, django_db_blocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        connection.close()
        yield


@pytest.fixture
def empty() -> Iterator[str]:
    with databases.database() as name:
        yield name


@pytest.fixture
def somebody(empty) -> Iterator[str]:
    """A role that owns nothing; its rights in the empty database go with it."""
    with databases.role() as name:
        yield name
        with connect(empty) as session:
            session.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}")


def refusal(name: str, role: str | None = None) -> str | None:
    """The preflight's refusal of a database for a role; None if it passes."""
    with as_default(name, role):
        return refusal_here()


def refusal_here(where: Any = connection) -> str | None:
    try:
        preflight.check(where)
    except PreflightError as error:
        return str(error)
    return None


def run(name: str, *statements: str) -> list[tuple[Any, ...]]:
    with connect(name) as session:
        for statement in statements:
            cursor = session.execute(statement)
        return cursor.fetchall() if cursor.description else []


def mended(name: str, role: str | None = None) -> str:
    """The last line of a refusal, run as the statement that it is; then nothing is refused any more."""
    said = refusal(name, role)
    assert said is not None
    run(name, said.splitlines()[-1].split(" -- ")[0])
    assert refusal(name, role) is None
    return said


# --- the command --------------------------------------------------------------------------------------------


def test_migrate_refuses_in_three_lines_and_makes_nothing():
    with databases.database(create="ENCODING 'LATIN1' LOCALE 'C'") as name:
        process = manage("migrate", database=name)
        printed, said = process.communicate(timeout=120)
        assert (process.returncode, printed, len(said.splitlines())) == (1, b"", 3), said.decode()
        assert b"refused, and nothing was changed" in said
        assert run(name, RELATIONS) == [(0,)]


def test_check_says_the_same(monkeypatch):
    with databases.database(create="ENCODING 'LATIN1' LOCALE 'C'") as name:
        for arguments in (["--deploy"], ["--database", "default"]):
            process = manage("check", *arguments, database=name)
            _, said = process.communicate(timeout=120)
            assert (process.returncode, b"is encoded in LATIN1" in said) == (1, True), said.decode()


def test_check_says_so_where_no_server_answers(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", f"postgres://nobody@{str(tmp_path).replace('/', '%2F')}:1/none")
    process = manage("check", "--database", "default")
    assert b"does not answer" in process.communicate(timeout=60)[1]


# --- server and database ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_another_encoding_is_refused_and_the_statement_makes_a_database_that_is_not(encoding):
    with databases.database(create=f"ENCODING '{encoding}' LOCALE 'C'") as name:
        said = refusal(name)
        assert said is not None and f"is encoded in {encoding}" in said
        statement = said.splitlines()[-1].split(" -- ")[0]
        made = re.search(r'CREATE DATABASE "?(\w+)"?', statement)[1]
        try:
            run("postgres", statement)
            assert refusal(made) is None
        finally:
            run("postgres", f'DROP DATABASE IF EXISTS "{made}" (FORCE)')


def test_a_server_that_is_too_old_is_refused(empty, monkeypatch):
    monkeypatch.setattr(preflight, "OLDEST", 99)
    said = refusal(empty)
    assert said is not None and "is too old: 99 or newer is needed" in said


READ_ONLY = {
    "role": "ALTER ROLE {role} SET default_transaction_read_only = on",
    "database": "ALTER DATABASE {name} SET default_transaction_read_only = on",
    "role in a database": "ALTER ROLE {role} IN DATABASE {name} SET default_transaction_read_only = on",
}


@pytest.mark.parametrize("level", READ_ONLY)
def test_a_role_or_a_database_that_is_read_only_is_refused(level, empty, somebody):
    run(empty, f"GRANT CREATE ON SCHEMA public TO {somebody}")
    run(empty, READ_ONLY[level].format(name=empty, role=somebody))
    with pytest.raises(PreflightError, match="read-only") as refused, reached(empty, USER=somebody):
        preflight.check(connection)
    run("postgres", str(refused.value).splitlines()[-1])
    with reached(empty, USER=somebody):
        preflight.check(connection)


def test_a_server_that_is_read_only_is_refused():
    statement = "ALTER SYSTEM SET default_transaction_read_only = off"
    server = servers.Server(default_transaction_read_only="on")
    with server, servers.existing("read", server, "postgres") as other:
        said = refusal_here(other)
    assert said is not None and statement in said


def test_a_standby_is_refused():
    with servers.Server() as primary:
        standby = servers.Server(standby_of=primary)
        with standby, servers.existing("standby", standby, "postgres") as other:
            said = refusal_here(other)
    assert said is not None and "is a standby" in said and "target_session_attrs=read-write" in said


# --- schema and privileges ----------------------------------------------------------------------------------


def test_a_role_that_may_not_make_tables_in_public_is_refused(empty, somebody):
    said = mended(empty, somebody)
    assert f"GRANT CREATE ON SCHEMA public TO {somebody}" in said


def test_a_role_that_may_not_make_temporary_tables_is_refused(empty, somebody):
    run(empty, f"GRANT CREATE ON SCHEMA public TO {somebody}", f"REVOKE TEMP ON DATABASE {empty} FROM PUBLIC")
    assert "GRANT TEMPORARY ON DATABASE" in mended(empty, somebody)


def test_a_search_path_without_any_schema_that_there_is_is_refused(empty):
    run(empty, f'ALTER DATABASE {empty} SET search_path = "Own", other')
    assert 'CREATE SCHEMA "Own" AUTHORIZATION' in mended(empty)


def test_where_nobody_may_use_public_and_there_is_no_other_schema_it_is_refused(empty, somebody):
    run(empty, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    assert f"CREATE SCHEMA {somebody} AUTHORIZATION" in mended(empty, somebody)


@pytest.mark.parametrize("table", ["anomalies", "django_migrations"])
def test_tables_that_the_search_path_finds_behind_the_schema_for_new_ones_are_refused(table, empty):
    run(empty, f"CREATE TABLE {table} (id int)", "CREATE SCHEMA own")
    run(empty, f"ALTER DATABASE {empty} SET search_path = own, public")
    said = refusal(empty)
    assert said is not None and f"The table {table} is in the schema public" in said
    assert "SET search_path = public" in said


def test_tables_of_another_role_are_refused_where_there_is_something_to_do(empty, somebody):
    with as_default(empty):
        call_command("migrate", "anomalies", "0005", verbosity=0)
    run(empty, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {somebody}")
    run(empty, f"GRANT CREATE ON SCHEMA public TO {somebody}")
    said = mended(empty, somebody)
    assert "Tables belong to" in said
    run(empty, f"REVOKE {connection.get_connection_params()['user']} FROM {somebody}")


def test_where_nothing_is_to_be_migrated_the_application_may_ask(empty, somebody):
    with as_default(empty):
        call_command("migrate", verbosity=0)
    run(empty, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {somebody}")
    assert refusal(empty, somebody) is None


# --- poolers ------------------------------------------------------------------------------------------------


@needed
@pytest.mark.parametrize("rounds", [{}, {"server_round_robin": "1"}], ids=["last", "in turn"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_pooler_by_transaction_is_refused_before_anything(size, rounds, empty):
    with pgbouncer("transaction", size=size, **rounds) as bouncer, bouncer.as_default(empty):
        said = refusal_here()
    assert said is not None and "pool_mode = transaction" in said
    assert "DATABASE_URL=postgres://" in said.splitlines()[-1]


@needed
def test_a_pooler_by_transaction_is_recognised_while_others_use_it(empty):
    with pgbouncer("transaction", size=3) as bouncer, ExitStack() as stack:
        for _ in range(2):
            busy = stack.enter_context(bouncer.connect(empty))
            busy.execute("BEGIN")
        with bouncer.as_default(empty), pytest.raises(PreflightError, match="pool_mode = transaction"):
            preflight.check(connection)


@needed
def test_a_pooler_by_statement_is_refused(empty):
    with pgbouncer("statement") as bouncer, bouncer.as_default(empty):
        said = refusal_here()
    assert said is not None and "pool_mode = statement" in said


@needed
@pytest.mark.parametrize("size", [1, 4])
def test_through_a_pooler_by_session_a_database_is_migrated(size, empty):
    """With one server connection, nobody watches who is in the way of a migration; it works all the same."""
    with pgbouncer("session", size=size) as bouncer, bouncer.as_default(empty):
        call_command("migrate", verbosity=0)
        assert not preflight.state().pending


@needed
def test_check_warns_of_a_pooler_by_transaction_and_says_what_to_set(monkeypatch, empty):
    with pgbouncer("transaction") as bouncer:
        monkeypatch.setenv("DATABASE_URL", bouncer.url(empty))
        process = manage("check", "--database", "default", database=empty)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, b"driftlock.W001" in said, b"DATABASE_URL=postgres://" in said) == (
        0,
        True,
        True,
    )


COMMANDS: dict[str, Callable[[Any], list[str]]] = {
    "migrate": lambda folder: ["migrate"],
    "schema check": lambda folder: ["schema", "check"],
    "schema down": lambda folder: ["schema", "down", "1"],
    "schema force": lambda folder: ["schema", "force", "zero"],
    "schema adopt": lambda folder: ["schema", "adopt"],
    "backup": lambda folder: ["backup", str(folder / "b.dump")],
}


@needed
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_need_a_session_refuse_a_pooler_by_transaction(name, tmp_path, django_db_setup):
    said = pytest.raises(CommandError, match="DATABASE_URL=postgres://")
    with pgbouncer("transaction") as bouncer, bouncer.as_default(), said:
        call_command(*COMMANDS[name](tmp_path))
    assert list(tmp_path.iterdir()) == []


# --- tables that are not ours -------------------------------------------------------------------------------


def test_a_database_of_golang_migrates_is_refused_and_adopt_is_named():
    with made_by_golang_migrate() as made:
        before = made.run(RELATIONS)
        process = manage("migrate", database=made.name)
        _, said = process.communicate(timeout=120)
        assert (process.returncode, len(said.splitlines())) == (1, 3), said.decode()
        assert b"made by golang-migrate (version 1)" in said and b"manage.py schema adopt" in said
        assert made.run(RELATIONS) == before


def test_a_table_of_our_name_that_another_program_made_is_refused(empty):
    run(empty, "CREATE TABLE anomalies (id int)")
    assert "made by another program" in (refusal(empty) or "")
