"""A schema of one's own, named by the role's or the database's search path: Driftlock works in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from psycopg import sql

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog
from anomalies.schema.drift import find_drift
from anomalies.schema.own_schema import in_schema, quoted
from anomalies.triage.decisions import decide
from tests.support import databases
from tests.support.databases import as_default, connect
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.slow

NAMES = ["public Order"]  # it begins as another does, and is a name in quotes alone


def made(schema: str, path: str) -> Iterator[str]:
    """A database that has the schema, migrated with this search path."""
    with databases.database() as name:
        with connect(name) as session:
            session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            session.execute(f'ALTER DATABASE "{name}" SET search_path = {path}')
        with as_default(name):
            call_command("migrate", verbosity=0)
            yield name


@pytest.fixture(scope="module", params=NAMES)
def schema(request, django_db_setup, django_db_blocker) -> Iterator[str]:
    """The name of a schema that the default connection's tables are in."""
    with django_db_blocker.unblock():
        for _ in made(request.param, f'"{request.param}", public'):
            yield request.param


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def test_every_object_is_in_it_and_none_in_public(schema):
    counted = """
        SELECT nspname::text, count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE nspname IN ('public', %s) GROUP BY 1
    """
    ((where, count),) = rows(counted, schema)
    assert where == schema and count > 100


def test_no_function_names_public(schema):
    found = (
        "SELECT proname FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
    )
    assert rows(found, schema)
    assert rows(found + " AND pg_get_functiondef(oid) ~ 'public[.,]'", schema) == []


def test_the_product_works_in_it(schema):
    one = make_anomaly()
    assert decide("acknowledge", [one.pk], Actor("ana")).decided == (one.pk,)
    assert AuditLog.objects.filter(resource_id=one.pk, action="acknowledge", username="ana").count() == 1
    assert rows("SELECT fold_anomaly_hours() > 0") == [(True,)]
    assert rows("TABLE anomaly_hours_missing") == []
    with pytest.raises(DatabaseError, match="needs somebody"):
        Anomaly.objects.filter(pk=one.pk).update(status="pending")


def test_it_is_compared_with_what_the_migrations_make(schema):
    assert find_drift()[0] == []
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX idx_anomalies_walk_time")
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("schema", "check", "--json", stdout=said, stderr=StringIO())
    (found,) = json.loads(said.getvalue())
    with connection.cursor() as cursor:
        cursor.execute(found["to_do"])
    assert find_drift()[0] == []


def test_its_roles_find_it(schema):
    names = ["--migrator", "own_migrator", "--app", "own_app", "--sealer", "own_sealer"]
    call_command("roles", *names, stdout=StringIO(), stderr=StringIO())
    pk = make_anomaly().pk
    name = str(connection.settings_dict["NAME"])
    try:
        with databases.reached(name, USER="own_app"):
            assert decide("acknowledge", [pk], Actor("ana")).decided == (pk,)
            with pytest.raises(DatabaseError, match="permission denied"):
                AuditLog.objects.update(username="eve")
    finally:
        with connect(name) as session:
            session.execute("REASSIGN OWNED BY own_migrator TO CURRENT_USER")
            session.execute("DROP OWNED BY own_migrator, own_app, own_sealer")
            session.execute("DROP ROLE own_migrator, own_app, own_sealer")


def test_it_goes_down_and_up_again(schema):
    call_command("migrate", "anomalies", "0010", verbosity=0)
    call_command("migrate", verbosity=0)
    assert find_drift()[0] == []


def test_a_backup_is_restored_where_the_search_path_is_the_same(schema, tmp_path):
    file = tmp_path / "own.dump"
    call_command("backup", str(file), stderr=StringIO())
    with databases.database() as other:
        with connect(other) as session:
            session.execute(f'ALTER DATABASE "{other}" SET search_path = "{schema}", public')
        former = str(connection.settings_dict["NAME"])
        with as_default(other):
            call_command("restore", str(file), stderr=StringIO())
            assert find_drift()[0] == []
    assert connection.settings_dict["NAME"] == former


def test_names_are_quoted_where_postgresql_quotes_them(django_db_setup, django_db_blocker):
    others = ["own", "Own", "own_2", "2own", "own schema", 'o"wn', "ö"]
    names = "SELECT word FROM pg_get_keywords() UNION SELECT unnest(%s::text[])"
    with django_db_blocker.unblock():
        found = rows(f"SELECT name, quote_ident(name) FROM ({names}) AS names (name)", others)
    assert len(found) > 400
    assert [(name, quoted(name)) for name, _ in found] == found


def test_a_migration_of_before_names_the_schema_as_sql_does():
    function = (
        "CREATE FUNCTION f() SET search_path = pg_catalog, public, pg_temp AS $$ INSERT INTO public.t $$"
    )
    assert in_schema(function, "public") == function
    assert in_schema(function, "own") == function.replace("public", "own")
    assert in_schema("public.t, republic.t, publicity", 'O"x') == '"O""x".t, republic.t, publicity'


def test_a_path_that_was_changed_since_is_refused_with_the_one_that_it_was(
    django_db_setup, django_db_blocker
):
    with django_db_blocker.unblock():
        for name in made("own", "own, public"):
            with connect(name) as session:
                session.execute("CREATE SCHEMA later")
                session.execute(f'ALTER DATABASE "{name}" SET search_path = later, own, public')
            connection.close()
            with pytest.raises(CommandError, match="SET search_path = own"):
                call_command("migrate", verbosity=0)
