"""Connections as people have them: through PgBouncer, and with settings of a role's or a database's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import DatabaseError, NotSupportedError, connection, transaction
from django.test import Client

from anomalies.connection_settings import is_pooled
from anomalies.ingest.acknowledged_events import acknowledged_of
from anomalies.models import Anomaly, AuditLog
from tests.support.concurrency import at_once, share
from tests.support.factories import anomaly_values, make_anomaly, make_user
from tests.support.forms import send
from tests.support.processes import manage
from tests.support.programs.pgbouncer import PgBouncer, needed, pgbouncer

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

LIST = "/admin/anomalies/anomaly/"
HOUR = timedelta(hours=1)
MODES = ("session", "transaction")
# What a session can keep: settings, and what else the next client would find.
KEPT = """
    SELECT 'setting', name, setting FROM pg_settings WHERE source IN ('session', 'client')
       AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')
    UNION ALL SELECT 'lock', locktype, mode FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'cursor', name, '' FROM pg_cursors WHERE name <> ''
    UNION ALL SELECT 'statement', name, '' FROM pg_prepared_statements
    UNION ALL SELECT 'table', relname, '' FROM pg_class WHERE relnamespace = pg_my_temp_schema()
    UNION ALL SELECT 'role', current_user::text, '' WHERE current_user <> session_user
    UNION ALL SELECT 'channel', name, '' FROM pg_listening_channels() AS name
    UNION ALL SELECT 'actor', name, value FROM (
        SELECT name, coalesce(current_setting(name, true), '') AS value
        FROM unnest('{driftlock.requires_actor,driftlock.username,driftlock.context}'::text[]) AS name
    ) AS ours WHERE value <> ''
"""


def name_of_the_database() -> str:
    return str(connection.settings_dict["NAME"])


def kept_by_server_connections(bouncer: PgBouncer, most: int) -> list[list[tuple[Any, ...]]]:
    """The state of each server connection of the pool, read by a client that holds it."""
    clients = [bouncer.connect(name_of_the_database(), application_name="another") for _ in range(most)]
    found = []
    for client in clients:
        client.execute("BEGIN")
        found.append(client.execute(KEPT).fetchall())
    for client in clients:
        client.close()
    return found


# --- PgBouncer ------------------------------------------------------------------------------------------


@needed
@pytest.mark.parametrize("mode", MODES)
def test_a_command_works_through_pgbouncer(mode, monkeypatch):
    make_anomaly()
    with pgbouncer(mode) as bouncer:
        monkeypatch.setenv("DATABASE_URL", bouncer.url(name_of_the_database()))
        printed, said = manage("stats", "--format", "json").communicate(timeout=60)
    assert json.loads(printed)[0]["total_anomalies"] == 1, said


@needed
@pytest.mark.parametrize("mode", MODES)
def test_a_decision_by_nobody_is_refused_through_pgbouncer(mode):
    anomaly = make_anomaly()
    with pgbouncer(mode) as bouncer, bouncer.as_default() as pooled:
        pooled.ensure_connection()
        assert is_pooled(pooled)
        with pytest.raises(DatabaseError, match="needs somebody"):
            Anomaly.objects.filter(pk=anomaly.pk).update(status="dismissed", dismissal_reason="other")
        with pytest.raises(DatabaseError, match="needs somebody"), transaction.atomic():
            Anomaly.objects.filter(pk=anomaly.pk).update(status="dismissed", dismissal_reason="other")


@needed
def test_a_decision_by_nobody_is_refused_after_a_rollback_to_a_savepoint():
    anomaly = make_anomaly()
    with pgbouncer("transaction") as bouncer, bouncer.as_default(), transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Anomaly.objects.count()
            raise ZeroDivisionError
        with pytest.raises(DatabaseError, match="needs somebody"), transaction.atomic():
            Anomaly.objects.filter(pk=anomaly.pk).update(status="dismissed", dismissal_reason="other")


@needed
def test_another_program_may_decide_through_the_same_pool():
    anomaly = make_anomaly()
    with pgbouncer("transaction", size=1) as bouncer:
        with bouncer.as_default():
            Anomaly.objects.count()
        with bouncer.connect(name_of_the_database()) as program:
            program.execute("UPDATE anomalies SET status = 'acknowledged' WHERE id = %s", [anomaly.pk])
    anomaly.refresh_from_db()
    assert anomaly.status == "acknowledged"


@needed
def test_a_page_is_limited_through_pgbouncer_and_the_limit_stays_with_it(settings, analyst):
    settings.PAGE_SECONDS = 0.3
    make_anomaly()
    with pgbouncer("transaction", size=2) as bouncer:
        client = Client(raise_request_exception=False)
        client.force_login(analyst)
        with connection.cursor() as cursor, transaction.atomic():
            cursor.execute("LOCK TABLE anomalies")
            with bouncer.as_default():
                assert client.get(LIST).status_code == 503
        assert kept_by_server_connections(bouncer, 2) == [[], []]


@needed
def test_a_server_side_cursor_outside_a_transaction_is_refused():
    with pgbouncer("transaction") as bouncer, bouncer.as_default():
        with pytest.raises(NotSupportedError, match="inside atomic"):
            list(Anomaly.objects.iterator())
        with transaction.atomic():
            assert list(Anomaly.objects.iterator()) == []


@needed
def test_many_statements_at_once_have_the_settings_too():
    anomaly = make_anomaly()
    statement = "UPDATE anomalies SET status = 'acknowledged' WHERE id = %s"
    with pgbouncer("transaction") as bouncer, bouncer.as_default() as pooled, pooled.cursor() as cursor:
        with pytest.raises(DatabaseError, match="needs somebody"):
            cursor.executemany(statement, [[anomaly.pk]])
        with pooled.connection.pipeline(), pytest.raises(DatabaseError, match="needs somebody"):
            cursor.execute(statement, [anomaly.pk])
            cursor.fetchall()


@needed
def test_what_a_detector_asks_before_it_begins_is_answered_through_pgbouncer():
    origin = {"detector": "driftlock", "file": "a.log", "first_line": 1, "last_line": 10}
    for _ in range(60):
        make_anomaly(metadata=origin, status="acknowledged")
    with pgbouncer("transaction") as bouncer, bouncer.as_default():
        assert 5 in acknowledged_of("logs", "a.log", None)


def decisions_at_the_desk(username: str, ids: list[UUID]) -> Callable[[], int]:
    client = Client()
    client.force_login(make_user("analyst", username))

    def decide_each() -> int:
        for pk in ids:
            answer = send(client, f"{LIST}{pk}/change/", action="acknowledge", note=f"by {username}")
            assert answer.status_code == 302, answer.content
            assert client.get(LIST, {"q": "deadlock"}).status_code == 200
        return len(ids)

    return decide_each


def ingest_of(file: Path, lines: int) -> Callable[[], int]:
    values = anomaly_values(glass_box_explanation=file.name)
    values["timestamp"] = values["timestamp"].isoformat()
    file.write_text("".join(json.dumps({**values, "p_value": n / lines}) + "\n" for n in range(lines)))

    def ingest() -> int:
        call_command("ingest", str(file), by=file.name, batch_rows=50, stdout=StringIO(), stderr=StringIO())
        return lines

    return ingest


@needed
def test_twenty_clients_share_a_pool_of_four_and_nothing_leaks(tmp_path):
    each = share(4)
    ids = [[make_anomaly().pk for _ in range(each)] for _ in range(10)]
    with pgbouncer("transaction", size=4) as bouncer:
        analysts = [decisions_at_the_desk(f"analyst{n}", ids[n]) for n in range(10)]
        programs = [ingest_of(tmp_path / f"program{n}", 10 * each) for n in range(10)]
        with bouncer.as_default():
            at_once([*analysts, *programs])
        assert kept_by_server_connections(bouncer, 4) == [[], [], [], []]
    assert Anomaly.objects.count() == 10 * each + 100 * each
    decided = AuditLog.objects.filter(action="acknowledge").values_list("username", "resource_id")
    assert sorted(decided) == sorted((f"analyst{n}", pk) for n in range(10) for pk in ids[n])
    created = AuditLog.objects.filter(action="create", username__startswith="program")
    assert {entry.username for entry in created} == {f"program{n}" for n in range(10)}
