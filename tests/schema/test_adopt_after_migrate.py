"""golang-migrate's databases in the wrong order: ``migrate`` before ``adopt``, and ``down`` after it."""

from __future__ import annotations

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.schema.scratch_database import migrate_to
from tests.support.databases import as_default
from tests.support.processes import manage
from tests.support.programs.golang_migrate import (
    CONTRACT,
    DOWN,
    TABLES,
    UP,
    Database,
)

pytestmark = pytest.mark.slow

RELATIONS = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
DJANGOS = [
    ("admin", "0003_logentry_add_action_flag_choices"),
    ("auth", "0012_alter_user_first_name_max_length"),
    ("sessions", "0001_initial"),
]


def left_by_a_failed_migrate(database: Database) -> None:
    """Create what Django's command made of its own apps before it failed at the contract's tables."""
    with as_default(database.name):
        migrate_to(connection, DJANGOS)


def verdicts(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(("blocking", "repaired", "harmless"))]


# --- migrate, typed first -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["anomalies"], ["auth"], ["--fake"], ["--fake-initial"]], ids=str)
def test_migrate_refuses_in_three_lines_and_creates_nothing(arguments, database):
    before = database.run(RELATIONS)
    process = manage("migrate", *arguments, database=database.name)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, len(said.splitlines())) == (1, 3), said.decode()
    assert b"manage.py schema adopt" in said and b"Traceback" not in said
    assert database.run(RELATIONS) == before


def test_after_a_failed_migrate_it_is_refused_too(database):
    left_by_a_failed_migrate(database)
    with as_default(database.name), pytest.raises(CommandError, match=r"manage\.py schema adopt"):
        call_command("migrate", verbosity=0)


def test_after_a_failed_migrate_a_database_is_adopted_and_that_undone_and_done_again(database):
    left_by_a_failed_migrate(database)
    before = database.run(CONTRACT)
    code, printed, _ = database.schema_here("adopt")
    assert code == 0 and "blocking" not in printed
    code, _, said = database.schema_here("adopt", "--apply")
    assert code == 0, said
    assert database.run(CONTRACT) == before
    assert database.schema_here("check")[:2] == (0, "")
    for step in ("--undo", "--apply"):
        code, _, said = database.schema_here("adopt", step)
        assert code == 0, said


def test_what_a_failed_migrate_left_incomplete_is_named_with_the_statement_that_drops_it(database):
    left_by_a_failed_migrate(database)
    database.run("ALTER TABLE auth_user DROP COLUMN email")
    code, printed, _ = database.schema_here("adopt")
    assert code == 1
    (found,) = [line for line in verdicts(printed) if line.startswith("blocking")]
    assert "auth_user.email" in found and "DROP TABLE IF EXISTS" in found
    database.run(found[found.index("DROP TABLE") :])
    assert database.schema_here("adopt", "--apply")[0] == 0


def test_accounts_of_another_django_program_are_no_leftovers(database):
    left_by_a_failed_migrate(database)
    database.run(
        "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, "
        "is_active, date_joined) VALUES ('', false, 'theirs', '', '', '', false, true, now())"
    )
    code, printed, _ = database.schema_here("adopt", "--apply")
    assert code == 1 and "belongs to another Django program" in printed and "DROP" not in printed
    assert database.run("SELECT username FROM auth_user") == [("theirs",)]


# --- the dry run and the adoption ---------------------------------------------------------------------------

WRONG = {
    "missing column": "ALTER TABLE anomalies DROP COLUMN notes",
    "a name of ours": "CREATE TABLE auth_user (id integer)",
    "no CREATE": "REVOKE CREATE ON SCHEMA public FROM {owner}",
    "dirty": "UPDATE schema_migrations SET dirty = true",
}


@pytest.mark.parametrize("failed_before", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_dry_run_and_the_adoption_come_to_the_same(wrong, failed_before, database):
    if failed_before and wrong != "a name of ours":
        left_by_a_failed_migrate(database)
    ((owner,),) = database.run("SELECT tableowner::text FROM pg_tables WHERE tablename = 'anomalies'")
    database.run(WRONG[wrong].format(owner=owner))
    code, printed, said = database.schema_here("adopt")
    applied_code, applied, _ = database.schema_here("adopt", "--apply")
    assert code == applied_code, (printed, said, applied)
    assert [line for line in verdicts(printed) if line.startswith("blocking")] == [
        line for line in verdicts(applied) if line.startswith("blocking")
    ]


# --- schema check before the adoption -----------------------------------------------------------------------


def test_check_says_adopt_and_advises_no_drop(database):
    code, printed, said = database.schema_here("check")
    assert (code, printed) == (1, "")
    assert "schema adopt" in said and "DROP" not in said


def test_check_after_a_failed_migrate_says_adopt_too(database):
    left_by_a_failed_migrate(database)
    code, printed, said = database.schema_here("check")
    assert code == 1 and "schema adopt" in said and "DROP" not in printed + said


# --- golang-migrate's down, after the adoption --------------------------------------------------------------


def go_down(database: Database, cascade: str = "CASCADE") -> None:
    """golang-migrate's ``down 1``: the version is dirty while its file runs, and no row is left after it."""
    database.run("TRUNCATE schema_migrations; INSERT INTO schema_migrations VALUES (-1, true)")
    database.run(DOWN.format(cascade=cascade))
    database.run("TRUNCATE schema_migrations")


@pytest.mark.parametrize(
    "arguments", [["check"], ["adopt"], ["adopt", "--apply"], ["adopt", "--undo"]], ids=str
)
def test_after_down_schema_says_what_happened(arguments, adopted):
    go_down(adopted)
    code, _, said = adopted.schema_here(*arguments)
    assert code == 1 and "golang-migrate's `down` was run after this database was adopted" in said
    assert all(table in said for table in TABLES) and "manage.py restore" in said


def test_after_down_migrate_says_so_too_and_changes_nothing(adopted):
    go_down(adopted)
    before = adopted.run(RELATIONS)
    process = manage("migrate", database=adopted.name)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, len(said.splitlines())) == (1, 3), said.decode()
    assert b"golang-migrate's `down` was run" in said
    assert adopted.run(RELATIONS) == before


def test_a_down_without_cascade_fails_and_it_says_that_no_table_is_gone(adopted):
    before = adopted.run(CONTRACT)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        go_down(adopted, cascade="")
    code, _, said = adopted.schema_here("check")
    assert code == 1 and "failed: no table is gone" in said
    adopted.run(next(line for line in said.splitlines() if line.startswith("UPDATE")).split(" -- ")[0])
    assert adopted.schema_here("check")[0] == 0
    assert adopted.run(CONTRACT) == before


def test_after_down_and_up_it_says_that_the_rows_of_before_are_gone(adopted):
    go_down(adopted)
    adopted.run(UP.partition("CREATE TABLE schema_migrations")[0])
    adopted.run("INSERT INTO schema_migrations VALUES (1, false)")
    code, _, said = adopted.schema_here("check")
    assert code == 1 and "`down` and `up` were run after this database was adopted" in said
    with as_default(adopted.name), pytest.raises(CommandError, match="`down` and `up` were run"):
        call_command("migrate", verbosity=0)


def test_who_drops_golang_migrates_own_table_has_done_no_harm(adopted):
    adopted.run("DROP TABLE schema_migrations")
    code, printed, said = adopted.schema_here("check")
    assert (code, printed, "down" in said) == (0, "", False)
