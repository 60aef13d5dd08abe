"""The record is complete and append-only, whichever way somebody writes."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from anomalies.audit import Actor, acting, record_event
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from driftlock.embedded_postgres.server import binaries
from tests.support.factories import anomaly_values, make_anomaly, other_program
from tests.support.forms import send
from tests.support.processes import manage

ANA = Actor("ana", "10.0.0.7", via="/admin/")


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def last(**which: Any) -> AuditLog:
    return AuditLog.objects.filter(**which).latest("id")


def psql(statement: str) -> None:
    """The statement by PostgreSQL's own client, which knows nothing of Driftlock."""
    info = connection.connection.info
    where = ["-h", info.host, "-p", str(info.port), "-U", info.user, "-d", info.dbname]
    subprocess.run(
        [binaries() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-c", statement], check=True
    )


# --- twelve ways to write -------------------------------------------------------------------------------


def by_save(anomaly: Anomaly) -> None:
    anomaly.status = "dismissed"
    anomaly.save(update_fields=["status"])


def by_bulk_update(anomaly: Anomaly) -> None:
    anomaly.status = "dismissed"
    Anomaly.objects.bulk_update([anomaly], ["status"])


UPSERT = """
    INSERT INTO anomalies (id, timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
                           compression_baseline, compression_window, compression_combined, confidence_level)
    SELECT id, timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
           compression_baseline, compression_window, compression_combined, confidence_level FROM anomalies
    ON CONFLICT (id) DO UPDATE SET status = 'dismissed'
"""
MERGE = """
    MERGE INTO anomalies USING (SELECT 1) AS one ON true
    WHEN MATCHED THEN UPDATE SET status = 'dismissed'
"""
CTE = """
    WITH chosen AS (SELECT id FROM anomalies), done AS (
        UPDATE anomalies SET status = 'dismissed' WHERE id IN (SELECT id FROM chosen) RETURNING id
    ) SELECT count(*) FROM done
"""
CASCADE = """
    CREATE TABLE closed (anomaly_id uuid PRIMARY KEY, status varchar(20) UNIQUE);
    INSERT INTO closed SELECT id, status FROM anomalies;
    ALTER TABLE anomalies ADD FOREIGN KEY (status) REFERENCES closed (status) ON UPDATE CASCADE;
    UPDATE closed SET status = 'dismissed'
"""
WAYS = {
    "save": by_save,
    "update": lambda anomaly: Anomaly.objects.filter(pk=anomaly.pk).update(status="dismissed"),
    "bulk_update": by_bulk_update,
    "raw SQL": lambda anomaly: sql("UPDATE anomalies SET status = 'dismissed' WHERE id = %s", anomaly.pk),
    "upsert": lambda anomaly: sql(UPSERT),
    "MERGE": lambda anomaly: sql(MERGE),
    "CTE": lambda anomaly: sql(CTE),
    "cascade": lambda anomaly: sql(CASCADE),
}


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS)
def test_a_decision_is_recorded_however_it_is_written(way):
    anomaly = make_anomaly()
    with acting(ANA, batch="b7"):
        WAYS[way](anomaly)
    entry = last(resource_id=anomaly.pk)
    assert (entry.action, entry.username, entry.ip_address) == ("dismiss", "ana", "10.0.0.7")
    assert entry.metadata.items() >= {"via": "/admin/", "batch": "b7"}.items()
    assert entry.metadata["database_user"] == connection.get_connection_params()["user"]


@pytest.mark.django_db
@pytest.mark.parametrize("way", WAYS)
def test_a_decision_by_the_application_without_an_actor_is_refused(way):
    anomaly = make_anomaly()
    with pytest.raises(DatabaseError, match="needs somebody who takes it"), transaction.atomic():
        WAYS[way](anomaly)
    assert Anomaly.objects.get().status == "pending"


def otherwise(way: str, column: str, value: str) -> str:
    """The statement of a way to write, with another column in place of the status."""
    statement = {"raw SQL": "UPDATE anomalies SET status = 'dismissed'", "upsert": UPSERT, "MERGE": MERGE}
    return {**statement, "CTE": CTE}[way].replace("status = 'dismissed'", f"{column} = '{value}'")


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["raw SQL", "upsert", "MERGE", "CTE"])
@pytest.mark.parametrize(
    ("action", "column", "value"),
    [("assign", "assigned_to", "bob"), ("snooze", "snoozed_at", "2026-11-23 12:00:00+00")],
)
def test_whose_it_is_and_that_it_sleeps_is_recorded_however_it_is_written(way, action, column, value):
    make_anomaly()
    with pytest.raises(DatabaseError, match="needs somebody who takes it"), transaction.atomic():
        sql(otherwise(way, column, value))
    with acting(ANA, batch="b7"):
        sql(otherwise(way, column, value))
    entry = last(resource_type="anomaly")
    assert (entry.action, entry.username, list(entry.new_values)) == (action, "ana", [column])


@pytest.mark.django_db
def test_rows_that_come_by_copy_are_recorded_as_one_batch():
    columns = "timestamp, stream_type, ncd_score, p_value, glass_box_explanation, compression_baseline"
    columns += ", compression_window, compression_combined, confidence_level"
    statement = f"COPY anomalies ({columns}) FROM STDIN"
    with acting(ANA), connection.cursor() as cursor, cursor.copy(statement) as copy:
        for _ in range(3):
            copy.write_row(("2026-01-01T00:00Z", "logs", 0.7, 0.01, "text", 0.2, 0.5, 0.3, 0.99))
    entry = last(action="create", resource_type="anomaly")
    assert (entry.username, entry.metadata["rows"]) == ("ana", 3)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_psql_writes_is_recorded_under_the_databases_user():
    anomaly = make_anomaly()
    psql("UPDATE anomalies SET status = 'dismissed'")
    entry = last(resource_id=anomaly.pk, action="dismiss")
    assert entry.username == connection.get_connection_params()["user"]
    assert entry.metadata["application"] == "psql"


@pytest.mark.django_db
def test_what_the_admin_writes_is_recorded_with_its_page(client: Client, analyst: User):
    anomaly = make_anomaly()
    client.force_login(analyst)
    page = f"/admin/anomalies/anomaly/{anomaly.pk}/change/"
    client.defaults["REMOTE_ADDR"] = "10.9.8.7"
    send(client, page, action="acknowledge")
    entry = last(resource_id=anomaly.pk)
    assert (entry.username, entry.ip_address, entry.metadata["via"]) == ("analyst", "10.9.8.7", page)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_a_command_writes_is_recorded_with_the_command():
    anomaly = make_anomaly()
    done = manage("decide", "acknowledge", "--status", "pending", "--by", "ana")
    _, said = done.communicate(timeout=600)
    entry = last(resource_id=anomaly.pk)
    assert (done.returncode, entry.username, entry.action) == (0, "ana", "acknowledge"), said
    assert "decide" in entry.metadata["via"] and entry.metadata["application"].startswith("driftlock")


@pytest.mark.django_db
def test_what_one_transaction_changes_without_an_actor_shares_a_batch():
    make_anomaly(), make_anomaly()
    with other_program():
        sql("UPDATE anomalies SET status = 'dismissed'")
    batches = AuditLog.objects.filter(action="dismiss").values_list("metadata__batch", flat=True)
    assert len(batches) == 2 and len(set(batches)) == 1


@pytest.mark.django_db
def test_each_time_somebody_acts_is_a_batch_of_its_own():
    anomaly = make_anomaly()
    for note in ("one", "two"):
        with acting(ANA):
            Anomaly.objects.filter(pk=anomaly.pk).update(notes=note)
    batches = AuditLog.objects.filter(action="update").values_list("metadata__batch", flat=True)
    assert len(set(batches)) == 2


@pytest.mark.django_db
@pytest.mark.parametrize(("table", "word"), [("anomalies", "anomaly"), ("detection_config",) * 2])
def test_that_a_table_was_emptied_is_recorded(table, word):
    with acting(ANA):
        sql(f"TRUNCATE {table}")
    assert (last(action="truncate").resource_type, last(action="truncate").username) == (word, "ana")


@pytest.mark.django_db
def test_a_replicas_session_is_recorded_too():
    anomaly = make_anomaly()
    with acting(ANA):
        sql("SET LOCAL session_replication_role = replica")
        Anomaly.objects.update(status="dismissed")
    assert last(resource_id=anomaly.pk).action == "dismiss"


@pytest.mark.django_db
def test_a_table_of_the_writers_own_does_not_catch_the_record():
    anomaly = make_anomaly()
    sql("CREATE TEMP TABLE audit_log (LIKE public.audit_log INCLUDING ALL)")
    with acting(ANA):
        Anomaly.objects.update(status="dismissed")
    with connection.cursor() as cursor:
        found = "SELECT count(*) FROM public.audit_log WHERE resource_id = %s AND action = 'dismiss'"
        cursor.execute(found, [anomaly.pk])
        assert cursor.fetchone()[0] == 1


# --- append-only ----------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET username = 'bob'",
        "UPDATE audit_log SET username = username WHERE false",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "TRUNCATE anomalies, audit_log",
        "MERGE INTO audit_log USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM audit_log RETURNING id) SELECT count(*) FROM gone",
    ],
)
def test_the_record_is_append_only_even_for_the_owner(statement):
    make_anomaly()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        sql(statement)


@pytest.mark.django_db
def test_a_replicas_session_cannot_change_the_record_either():
    make_anomaly()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        sql("DELETE FROM audit_log")


@pytest.mark.django_db
@pytest.mark.parametrize("error", ["UPDATE anomalies SET status = 'dismissed'", "DELETE FROM audit_log"])
def test_a_refusal_is_no_error_of_syntax(error):
    make_anomaly()
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        sql(error)
    assert refused.value.__cause__.sqlstate in ("DL001", "DL002")


# --- accounts and roles ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_account_is_recorded_without_its_password():
    User.objects.create_user("bob", password="secret", email="bob@example.org")
    entry = last(resource_type="account")
    assert (entry.action, entry.metadata["account"]) == ("create", "bob")
    assert "password" not in entry.new_values


@pytest.mark.django_db
def test_a_changed_password_is_recorded_as_changed_and_not_as_itself(analyst):
    analyst.set_password("another")
    analyst.save()
    assert last(resource_type="account").new_values == {"password": "changed"}


@pytest.mark.django_db
def test_a_login_alone_is_no_change_of_the_account(client, analyst):
    before = AuditLog.objects.filter(resource_type="account").count()
    client.force_login(analyst)
    assert AuditLog.objects.filter(resource_type="account").count() == before


@pytest.mark.django_db
def test_a_role_given_and_taken_is_recorded_by_name(viewer):
    viewer.groups.add(Group.objects.get(name="lead"))
    given = last(resource_type="role of an account")
    viewer.groups.clear()
    taken = AuditLog.objects.filter(resource_type="role of an account", action="revoke")
    assert (given.action, given.metadata["account"], given.metadata["role"]) == ("grant", "viewer", "lead")
    assert {entry.metadata["role"] for entry in taken} == {"viewer", "lead"}


@pytest.mark.django_db
def test_a_permission_given_to_a_role_or_an_account_is_recorded_by_name(viewer):
    may = Permission.objects.get(codename="decide_anomaly")
    viewer.user_permissions.add(may)
    Group.objects.get(name="viewer").permissions.add(may)
    for kind, name in (("permission of an account", "account"), ("permission of a role", "role")):
        entry = last(resource_type=kind)
        assert (entry.metadata["permission"], entry.metadata[name]) == ("decide_anomaly", "viewer")


@pytest.mark.django_db
def test_an_account_changed_in_the_admin_is_recorded_under_who_changed_it(client, viewer):
    admin = User.objects.create_superuser("root", password="password")
    client.force_login(admin)
    values = {"username": "viewer", "is_staff": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    answer = client.post(f"/admin/auth/user/{viewer.pk}/change/", values, REMOTE_ADDR="10.1.1.1")
    entry = last(resource_type="account")
    assert answer.status_code == 302, answer.context["errors"]
    assert (entry.username, entry.ip_address, entry.new_values) == ("root", "10.1.1.1", {"is_active": False})


@pytest.mark.django_db
def test_an_account_deleted_in_the_admin_is_recorded_under_who_deleted_it(client, viewer):
    client.force_login(User.objects.create_superuser("root", password="password"))
    client.post(f"/admin/auth/user/{viewer.pk}/delete/", {"post": "yes"})
    entry = last(resource_type="account", action="delete")
    assert (entry.username, entry.metadata["account"]) == ("root", "viewer")


@pytest.mark.django_db
def test_a_password_changed_by_its_owner_is_recorded_under_their_name(client, analyst):
    client.force_login(analyst)
    new = "a much longer one"
    values = {"old_password": "password", "new_password1": new, "new_password2": new}
    client.post("/admin/password_change/", values, REMOTE_ADDR="10.1.1.1")
    entry = last(resource_type="account")
    assert (entry.username, entry.ip_address) == ("analyst", "10.1.1.1")
    assert entry.new_values == {"password": "changed"}


# --- what leaves no row ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_login_and_a_logout_are_recorded(client, analyst):
    client.post("/admin/login/", {"username": "analyst", "password": "password"}, REMOTE_ADDR="10.1.1.1")
    client.post("/admin/logout/")
    shown = AuditLog.objects.filter(resource_type="session").order_by("id").values_list("action", "username")
    assert list(shown) == [("login", "analyst"), ("logout", "analyst")]
    assert last(action="login").ip_address == "10.1.1.1"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["analyst", "no\0body", "o'hara", "x" * 300])
def test_a_failed_login_is_recorded_under_the_name_that_was_tried(name, client, analyst):
    client.post("/admin/login/", {"username": name, "password": "wrong"}, REMOTE_ADDR="10.1.1.1")
    entries = AuditLog.objects.filter(action="login failed")
    shown = [(entry.username, entry.ip_address) for entry in entries]
    # Django's form itself turns away what is no name.
    assert shown == ([] if "\0" in name else [(name[:255], "10.1.1.1")])


@pytest.mark.django_db
def test_a_password_is_nowhere_on_record(client, analyst):
    client.post("/admin/login/", {"username": "analyst", "password": "hunter2-hunter2"})
    assert not any("hunter2" in str(vars(entry)) for entry in AuditLog.objects.all())


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["acknowledge", "dismiss", "create", "delete", "grant", "", None])
def test_an_event_cannot_pass_for_a_decision(action):
    with pytest.raises(DatabaseError, match="not an event"), transaction.atomic():
        record_event(action, ANA, "anomaly")


@pytest.mark.django_db
def test_an_event_tells_what_it_was_about():
    record_event("export", ANA, "anomaly", rows=12, filter="status=pending")
    entry = last()
    assert (entry.action, entry.username) == ("export", "ana")
    assert entry.metadata.items() >= {"rows": 12, "filter": "status=pending"}.items()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 10_000])
def test_what_postgresql_cannot_keep_does_not_keep_an_event_off_the_record(text):
    record_event("login failed", Actor(text), tried=text)
    assert len(last().username) <= 255


@pytest.mark.django_db
def test_a_config_written_by_an_upsert_is_recorded():
    config = DetectionConfig.objects.get()
    with acting(ANA):
        sql(
            "INSERT INTO detection_config (id) VALUES (%s) ON CONFLICT (id) DO UPDATE SET notes = 'x'",
            config.pk,
        )
    entry = last(resource_type="detection_config")
    assert (entry.action, entry.new_values) == ("update", {"notes": "x"})


@pytest.mark.django_db
def test_many_rows_made_by_the_orm_are_recorded_as_one_batch():
    with acting(ANA):
        Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(5))
    assert last(action="create", resource_type="anomaly").metadata["rows"] == 5


@pytest.mark.django_db
def test_flush_is_refused_in_production(settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="would empty the audit log"):
        call_command("flush", interactive=False)
