"""``manage.py roles``: the application decides, and can't touch what records it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.audit import Actor
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import Anomaly, AuditLog, DetectionConfig, PerformanceMetric
from anomalies.queries import hourly_rollup
from anomalies.schema.roles import APP_MAY, SEALER_MAY, Names, make_roles, not_granted, statements
from anomalies.thresholds import activate
from anomalies.triage.decisions import decide
from tests.support.factories import anomaly_values, make_anomaly, make_user
from tests.support.seals import new_key

NAMES = Names("test_migrator", "test_app", "test_sealer")
ANA = Actor("ana")


def run(statement: str, *values: Any) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def roles(db) -> None:
    """The roles, for the length of the test's transaction."""
    make_roles(NAMES)


@pytest.fixture
def as_app(roles) -> Iterator[None]:
    """The test's connection as the application's role."""
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    yield
    run("RESET SESSION AUTHORIZATION")


# --- what the application does ----------------------------------------------------------------------------


def test_the_application_decides_and_the_record_knows_its_role(roles):
    anomaly = make_anomaly()
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    assert decide("dismiss", [anomaly.pk], ANA, reason="other").decided == (anomaly.pk,)
    entry = AuditLog.objects.get(action="dismiss")
    assert (entry.username, entry.metadata["database_user"]) == ("ana", "test_app")


def test_the_application_ingests_and_detects(as_app, tmp_path):
    lines, log = tmp_path / "a.jsonl", tmp_path / "a.log"
    lines.write_text(json.dumps({**anomaly_values(), "timestamp": "2026-01-01T00:00:00Z"}))
    log.write_text("".join(f"request {n} served\n" for n in range(150)))
    call_command("ingest", str(lines), by="ana")
    call_command("detect", str(log), by="ana")
    assert Anomaly.objects.count() == 1 and PerformanceMetric.objects.filter(metric_type="detection").exists()


def test_the_application_switches_configs(as_app):
    config = DetectionConfig.objects.create(ncd_threshold=0.7)
    activate(config.pk, ANA)
    assert DetectionConfig.objects.get(is_active=True) == config


def test_the_application_manages_accounts(as_app):
    user = make_user("viewer", "bob")
    user.groups.set(Group.objects.filter(name="analyst"))
    user.delete()
    assert not User.objects.filter(username="bob").exists()


@pytest.mark.parametrize("page", ["anomalies/anomaly", "anomalies/detectionconfig", "anomalies/auditlog"])
def test_the_application_serves_the_admin(roles, client, lead, page):
    anomaly = make_anomaly()
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    client.force_login(lead)
    assert client.get(f"/admin/{page}/").status_code == 200
    assert client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").status_code == 200


# --- what it can't ----------------------------------------------------------------------------------------

ATTACKS = {
    "rewrite the record": "UPDATE audit_log SET username = 'bob'",
    "delete from the record": "DELETE FROM audit_log",
    "empty the record": "TRUNCATE audit_log",
    "write an entry by hand": "INSERT INTO audit_log (username, action, resource_type) "
    "VALUES ('bob', 'dismiss', 'anomaly')",
    "write an entry by COPY": "COPY audit_log FROM '/dev/null'",
    "pass an event for a decision": "SELECT audit_event('dismiss', 'anomaly', NULL, '{}')",
    "count the record's ids on": "SELECT setval('audit_log_id_seq', 1000000)",
    "take an id away": "SELECT nextval('audit_log_id_seq')",
    "disable a trigger": "ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update",
    "disable all triggers": "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER audit_anomalies_update ON anomalies",
    "add a trigger": "CREATE TRIGGER x BEFORE UPDATE ON anomalies EXECUTE FUNCTION next_version()",
    "replace a function": "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger "
    "LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    "add a function": "CREATE FUNCTION public.now() RETURNS text LANGUAGE sql AS $$ SELECT 'never' $$",
    "write as a replica": "SET session_replication_role = replica",
    "delete an anomaly": "DELETE FROM anomalies",
    "empty the anomalies": "TRUNCATE anomalies",
    "change the evidence": "UPDATE anomalies SET window_data = '[]'",
    "change a figure": "UPDATE anomalies SET p_value = 1",
    "change a version": "UPDATE anomalies SET version = 1",
    "delete a config": "DELETE FROM detection_config",
    "become the owner": "SET ROLE test_migrator",
    "become a superuser": "ALTER ROLE test_app SUPERUSER",
    "take the table over": "ALTER TABLE audit_log OWNER TO test_app",
    "drop the record": "DROP TABLE audit_log",
    "decide as nobody": "UPDATE anomalies SET status = 'dismissed'",
    "call a trigger's function": "SELECT audit_anomaly_update()",
    "say that a migration never ran": "DELETE FROM django_migrations",
    "write a figure of the roll-up": "UPDATE anomaly_hours SET total = 0",
    "write a figure of a tag": "UPDATE anomaly_tag_totals SET total = 0",
    "write a figure of a pattern": "UPDATE anomaly_patterns SET pending = 0",
    "append a figure to the roll-up": "INSERT INTO anomaly_hour_deltas "
    "(stream_type, status, significant, total, ncd_sum, p_sum) VALUES ('logs', 'pending', false, 1, 1, 1)",
    "call the roll-up's trigger": "SELECT roll_up_insert()",
    "run a program": "COPY anomalies TO PROGRAM 'true'",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_application_cannot(attack, roles):
    make_anomaly()
    run("SET LOCAL driftlock.requires_actor = 'on'")
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    with pytest.raises(psycopg.DatabaseError) as refused, connection.cursor() as cursor:
        cursor.cursor.execute("SAVEPOINT before")
        cursor.cursor.execute(ATTACKS[attack])
    assert refused.value.sqlstate[:3] in ("425", "DL0", "0A0", "428")
    connection.connection.execute("ROLLBACK TO SAVEPOINT before")


def test_no_attack_that_is_refused_leaves_a_trace(as_app):
    make_anomaly()
    before = AuditLog.objects.count()
    for attack in ATTACKS.values():
        with pytest.raises(psycopg.DatabaseError), connection.connection.transaction():
            connection.connection.execute(attack)
    assert AuditLog.objects.count() == before


def test_what_the_application_grants_itself_gives_it_nothing(as_app):
    run("GRANT ALL ON audit_log TO test_app")
    assert run("SELECT has_table_privilege('audit_log', 'INSERT')") == [(False,)]


def test_a_shadow_of_the_record_catches_nothing(roles):
    anomaly = make_anomaly()
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    run("CREATE TEMP TABLE audit_log (LIKE public.audit_log)")
    decide("dismiss", [anomaly.pk], ANA, reason="other")
    assert run("SELECT count(*) FROM public.audit_log WHERE action = 'dismiss'") == [(1,)]


def test_the_application_s_writes_are_rolled_up_and_folded_by_it(as_app):
    make_anomaly(tags=["db"])
    assert hourly_rollup.fold() == 3  # a figure of the hour, one of the tag, one of the pattern
    assert hourly_rollup.differences() == []


# --- how the roles are made -------------------------------------------------------------------------------


def test_every_table_is_decided_about(roles):
    """A migration that adds a table has to say here what the application may do with it."""
    assert not_granted() == []


def test_the_application_may_exactly_what_the_table_says(roles):
    rights = ("SELECT", "INSERT", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
    for table, may in APP_MAY.items():
        has = {r for r in rights if run("SELECT has_table_privilege('test_app', %s, %s)", table, r)[0][0]}
        assert has == {r for r in rights if r in may}, table


def test_the_migrator_owns_everything(roles):
    owners = run(
        """
        SELECT DISTINCT rolname::text FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
        WHERE relnamespace = 'public'::regnamespace
        UNION SELECT rolname::text FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner
        WHERE pronamespace = 'public'::regnamespace AND proname <> 'audit_ddl'
        """
    )
    assert owners == [("test_migrator",)]


def test_no_role_rules_over_others(roles):
    rights = run(
        """
        SELECT DISTINCT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
        FROM pg_roles WHERE rolname LIKE 'test\\_%%'
        """
    )
    assert rights == [(False,) * 5]


def test_the_sealer_seals_verifies_and_replays(roles, settings):
    settings.SEAL_KEY = new_key()
    decide("dismiss", [make_anomaly().pk], ANA, reason="other")
    run("SET LOCAL SESSION AUTHORIZATION test_sealer")
    assert seal() > 0
    assert verify(replay=True).problems == ()
    run("RESET SESSION AUTHORIZATION")


def test_to_make_the_roles_again_alters_nothing(roles):
    make_anomaly()
    make_roles(NAMES)
    assert not AuditLog.objects.filter(action="alter").exists()


def test_the_sealer_reads_what_it_seals_and_bundles_and_no_more(roles):
    tables = run("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    readable = [
        t for (t,) in tables if run("SELECT has_table_privilege('test_sealer', %s, 'SELECT')", t)[0][0]
    ]
    assert set(readable) == set(SEALER_MAY)


def test_a_second_time_changes_nothing(roles):
    acl = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = run(acl)
    make_roles(NAMES)
    assert run(acl) == before


def test_a_right_that_was_given_beside_it_is_taken_back(roles):
    run("GRANT ALL ON audit_log TO test_app")
    make_roles(NAMES)
    assert run("SELECT has_table_privilege('test_app', 'audit_log', 'INSERT')") == [(False,)]


def test_the_statements_can_be_printed_and_change_nothing(db, capsys):
    call_command("roles", "--sql", app=NAMES.app)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(statements(Names(app=NAMES.app))) and all(line.endswith(";") for line in said)
    assert run("SELECT 1 FROM pg_roles WHERE rolname = 'test_app'") == []


def test_a_role_that_may_not_make_roles_is_shown_what_to_do(roles):
    run("SET LOCAL SESSION AUTHORIZATION test_app")
    with pytest.raises(CommandError, match="roles --sql"):
        call_command("roles")


def test_a_name_is_quoted(db):
    make_roles(Names('odd "name"', "an app; DROP TABLE anomalies", "x'y"))
    assert Anomaly.objects.count() == 0


def test_two_roles_of_one_name_are_refused(db):
    with pytest.raises(CommandError, match="different names"):
        call_command("roles", app="one", migrator="one")
