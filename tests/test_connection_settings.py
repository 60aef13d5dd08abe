"""Roles, databases and servers with settings of their own: the product reads and writes the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from psycopg import sql

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.export import export
from anomalies.schema import catalog, checksums
from anomalies.triage.decisions import decide
from tests.support import databases
from tests.support.factories import NOON, make_anomaly, make_user
from tests.support.processes import wait_until
from tests.support.programs.pgbouncer import needed, pgbouncer

LIST = "/admin/anomalies/anomaly/"
HOUR = timedelta(hours=1)
ODD = [
    {"DateStyle": "German"},
    {"DateStyle": "'SQL, DMY'"},
    {"DateStyle": "'Postgres, MDY'"},
    {"IntervalStyle": "sql_standard"},
    {"IntervalStyle": "iso_8601"},
    {"IntervalStyle": "postgres_verbose"},
    {"TimeZone": "'Asia/Kathmandu'"},
    {"TimeZone": "'<+0530>-05:30'"},
    {"client_encoding": "LATIN1"},
    {"bytea_output": "escape"},
    {"extra_float_digits": "'-15'"},
    {"standard_conforming_strings": "off"},
    {"quote_all_identifiers": "on"},
    {"transform_null_equals": "on", "array_nulls": "off", "gin_fuzzy_search_limit": "1"},
    {"default_text_search_config": "'pg_catalog.german'"},
    {"default_transaction_isolation": "serializable"},
    {"default_transaction_isolation": "'repeatable read'"},
    {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"},
    {"row_security": "off", "xmloption": "document", "synchronous_commit": "off"},
    {"enable_seqscan": "off", "enable_nestloop": "off", "enable_hashjoin": "off", "jit": "off"},
]


@pytest.fixture(scope="module")
def other_database(django_db_setup, django_db_blocker) -> Iterator[str]:
    """A database of this module's own with anomalies, decisions and an analyst."""
    former = connection.settings_dict["NAME"]
    with django_db_blocker.unblock(), databases.database() as name, databases.as_default(name):
        call_command("migrate", verbosity=0)
        rows = [make_anomaly(ncd_score=1 / 3, timestamp=NOON + n * HOUR, tags=["db", None]) for n in range(4)]
        decide("dismiss", [rows[0].pk], Actor("ana"), reason="other", note="a \\ and a ' in it")
        make_user("analyst")
        with databases.as_default(str(former)):
            yield name


@contextmanager
def role_has(settings: dict[str, str], database: str) -> Iterator[None]:
    """The role has these settings in this database, as ALTER ROLE gives them."""
    user = connection.get_connection_params()["user"]
    alter = sql.SQL("ALTER ROLE {} IN DATABASE {} ").format(sql.Identifier(user), sql.Identifier(database))
    with databases.connect() as server:
        for name, value in settings.items():
            server.execute(alter + sql.SQL("SET {} TO {}").format(sql.Identifier(name), sql.SQL(value)))
        try:
            yield
        finally:
            server.execute(alter + sql.SQL("RESET ALL"))


def observed() -> dict[str, Any]:
    """The values read from the database in each way, with a decision made and undone."""
    client, printed = Client(), StringIO()
    client.force_login(User.objects.get())
    call_command("stats", "--exact", format="json", stdout=printed)
    one = Anomaly.objects.latest("timestamp")
    decided = decide("acknowledge", [one.pk], Actor("ana"))
    undone = decide("reopen", [one.pk], Actor("ana"))
    pages = [client.get(path) for path in (LIST, f"{LIST}?q=deadlock&tags_any=db", f"{LIST}{one.pk}/change/")]
    written = make_anomaly(notes="a \\ and a '", tags=["x", None], ncd_score=0.1 + 0.2)
    where = sql.SQL("id = {}").format(sql.Literal(written.pk))
    stored = checksums.checksum("anomalies", ["timestamp", "notes", "tags", "ncd_score"], where=where)
    written.delete()
    return {
        "stored": stored,
        "pages": [(page.status_code, _without_tokens(page.content.decode())) for page in pages],
        "stats": json.loads(printed.getvalue()),
        "jsonl": b"".join(export(Listing(Anomaly.objects.exclude(pk=one.pk)), "jsonl")),
        "csv": b"".join(export(Listing(Anomaly.objects.exclude(pk=one.pk)), "csv")),
        "decided": (len(decided.decided), len(undone.decided)),
        "catalog": catalog.read(connection),
        "checksum": checksums.checksum(
            "anomalies", ["id", "timestamp", "ncd_score", "status", "window_data"]
        ),
        "missing": rows("TABLE anomaly_hours_missing"),
    }


def _without_tokens(page: str) -> str:
    return re.sub(r'<input type="hidden"[^>]*>|History.*', "", page, flags=re.DOTALL)


def rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def usual(other_database, django_db_blocker) -> dict[str, Any]:
    with django_db_blocker.unblock(), databases.as_default(other_database):
        return observed()


@contextmanager
def directly(database: str) -> Iterator[None]:
    with databases.as_default(database):
        yield


@contextmanager
def through_pgbouncer(database: str) -> Iterator[None]:
    with pgbouncer("transaction", size=3) as bouncer, bouncer.as_default(database):
        yield


each_way = pytest.mark.parametrize("way", [directly, pytest.param(through_pgbouncer, marks=needed)])


@each_way
@pytest.mark.parametrize("settings", ODD, ids=str)
def test_a_role_with_settings_of_its_own_sees_the_same(
    way, settings, other_database, usual, django_db_blocker
):
    with django_db_blocker.unblock(), role_has(settings, other_database), way(other_database):
        seen = observed()
    assert [name for name in usual if seen[name] != usual[name]] == []


SERIALIZABLE = {"default_transaction_isolation": "serializable"}


@each_way
@pytest.mark.parametrize(
    "write",
    [
        lambda pk: decide("acknowledge", [pk], Actor("ana"), seen={pk: 1}),
        lambda pk: Anomaly.objects.filter(pk=pk).update(tags=["late"]),
    ],
    ids=["a decision", "a statement of its own"],
)
def test_a_writer_that_waits_for_another_one_goes_on_whatever_the_roles_isolation(
    way, write, other_database, django_db_blocker
):
    with django_db_blocker.unblock(), role_has(SERIALIZABLE, other_database), way(other_database):
        pk = make_anomaly().pk
        with databases.connect(other_database) as program, ThreadPoolExecutor() as threads:
            with program.transaction():
                program.execute("UPDATE anomalies SET notes = 'first' WHERE id = %s", [pk])
                waiting = threads.submit(in_a_thread(write), pk)
                (backend,) = program.execute("SELECT pg_backend_pid()").fetchone()
                wait_until(lambda: blocked_by(backend))
            waiting.result(timeout=30)
        Anomaly.objects.filter(pk=pk).delete()


def in_a_thread(write: Callable[[UUID], Any]) -> Callable[[UUID], Any]:
    def run(pk: UUID) -> Any:
        try:
            return write(pk)
        finally:
            connection.close()

    return run


def blocked_by(pid: int) -> bool:
    return bool(rows(f"SELECT 1 FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid))"))
