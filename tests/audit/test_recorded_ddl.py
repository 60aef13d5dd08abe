"""DDL on guarded tables and functions leaves an entry, where a superuser made the event triggers."""

from __future__ import annotations

import importlib

import pytest

from anomalies.audit import Actor, acting
from anomalies.audit.seals import SealError, seal
from anomalies.audit.verification import verify
from tests.support.databases import run
from tests.support.factories import make_anomaly
from tests.support.seals import new_key

ANA = Actor("ana")
DDL = importlib.import_module("anomalies.migrations.0036_record_ddl")


@pytest.fixture(autouse=True)
def key(settings) -> None:
    settings.SEAL_KEY = new_key()


@pytest.fixture
def in_use(db) -> None:
    """An audit log with an entry in it, sealed."""
    with acting(ANA):
        make_anomaly()
    seal()


def altered() -> list[tuple[str, str]]:
    """The statement and the object of each entry about DDL."""
    return run(
        "SELECT metadata ->> 'statement', metadata ->> 'object' FROM public.audit_log "
        "WHERE action = 'alter' AND resource_type = 'schema' ORDER BY id"
    )


RECORDED = {
    "ALTER TABLE anomalies DISABLE TRIGGER USER": ("ALTER TABLE", "public.anomalies"),
    "ALTER TABLE audit_log DISABLE TRIGGER ALL": ("ALTER TABLE", "public.audit_log"),
    "ALTER TABLE anomalies ALTER COLUMN acknowledged_by TYPE varchar(255) USING 'mallory'": (
        "ALTER TABLE",
        "public.anomalies",
    ),
    "ALTER TABLE auth_user ALTER COLUMN is_superuser TYPE boolean USING true": (
        "ALTER TABLE",
        "public.auth_user",
    ),
    "ALTER TABLE audit_log SET UNLOGGED": ("ALTER TABLE", "public.audit_log"),
    "ALTER TABLE auth_user RENAME TO auth_user_once": ("ALTER TABLE", "public.auth_user_once"),
    "ALTER TRIGGER audit_auth_user ON auth_user RENAME TO x": ("ALTER TRIGGER", "x on public.auth_user"),
    "DROP TRIGGER audit_auth_user ON auth_user": ("DROP TRIGGER", "audit_auth_user on public.auth_user"),
    "CREATE TRIGGER x BEFORE INSERT ON audit_seals FOR EACH ROW EXECUTE FUNCTION next_version()": (
        "CREATE TRIGGER",
        "x on public.audit_seals",
    ),
    "CREATE RULE x AS ON INSERT TO auth_user DO INSTEAD NOTHING": ("CREATE RULE", "x on public.auth_user"),
    "DROP TABLE auth_user_user_permissions CASCADE": ("DROP TABLE", "public.auth_user_user_permissions"),
    "ALTER TABLE anomalies SET SCHEMA test_elsewhere": ("ALTER TABLE", "test_elsewhere.anomalies"),
    "DROP TRIGGER audit_triage_rules ON triage_rules": (
        "DROP TRIGGER",
        "audit_triage_rules on public.triage_rules",
    ),
    "ALTER TABLE anomaly_comments DISABLE TRIGGER ALL": ("ALTER TABLE", "public.anomaly_comments"),
    "DROP TRIGGER audit_api_tokens ON api_tokens": ("DROP TRIGGER", "audit_api_tokens on public.api_tokens"),
    "ALTER TABLE anomaly_patterns ALTER COLUMN pending SET DEFAULT 1": (
        "ALTER TABLE",
        "public.anomaly_patterns",
    ),
    "CREATE POLICY x ON anomalies USING (false)": ("CREATE POLICY", "x on public.anomalies"),
    "CREATE OR REPLACE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'": (
        "CREATE FUNCTION",
        "public.next_version()",
    ),
    "ALTER FUNCTION audit_truncate() SECURITY INVOKER": ("ALTER FUNCTION", "public.audit_truncate()"),
    "DROP FUNCTION audit_truncate() CASCADE": ("DROP FUNCTION", "public.audit_truncate()"),
    "CREATE SCHEMA test_app": ("CREATE SCHEMA", "test_app"),
    "CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = varchareq)": (
        "CREATE OPERATOR",
        "public.=(character varying,character varying)",
    ),
}


@pytest.mark.parametrize("statement", RECORDED)
def test_it_is_recorded_with_the_object(statement, in_use):
    if "varchareq" in statement:
        run("CREATE FUNCTION varchareq(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true'")
    if "test_elsewhere" in statement:
        run("CREATE SCHEMA test_elsewhere")
    run(statement)
    assert RECORDED[statement] in altered()


def test_off_and_on_again_leaves_entries_of_which_one_names_the_disabled_triggers(in_use):
    run("SET LOCAL driftlock.username = 'mallory'")
    run("ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only")
    run("ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only")
    entries = run("SELECT username, metadata -> 'disabled' FROM audit_log WHERE action = 'alter' ORDER BY id")
    assert entries == [("mallory", '["audit_log_append_only"]'), ("mallory", None)]


def test_a_rule_that_swallows_entries_is_recorded_as_it_is_dropped(in_use):
    run("CREATE RULE x AS ON INSERT TO audit_log DO INSTEAD NOTHING")
    run("DROP RULE x ON audit_log")
    assert ("DROP RULE", "x on public.audit_log") in altered()


def test_what_is_altered_elsewhere_is_not_recorded(in_use):
    run("CREATE TABLE elsewhere (id integer)")
    run("ALTER TABLE elsewhere ADD COLUMN x text")
    run("CREATE INDEX x ON anomalies (novelty)")
    run("DROP TABLE elsewhere")
    assert altered() == []


def test_the_text_of_the_statement_is_not_recorded(in_use):
    run("ALTER FUNCTION audit_truncate() SET driftlock.secret = 'hunter2'")
    assert run("SELECT 1 FROM audit_log WHERE position('hunter2' IN audit_log::text) > 0") == []


def test_an_event_trigger_that_is_disabled_stops_sealing(in_use):
    run("ALTER EVENT TRIGGER audit_ddl_altered DISABLE")
    assert "event trigger audit_ddl_altered is changed or disabled" in verify().problems
    with pytest.raises(SealError, match="audit_ddl_altered"):
        seal()


def test_an_event_trigger_that_is_dropped_after_a_seal_is_named(in_use):
    run("DROP EVENT TRIGGER audit_ddl_altered")
    assert any("are not those of the last seal" in problem for problem in verify().problems)


def test_without_a_superuser_the_migration_makes_none_and_fails_at_nothing(db):
    run("DROP EVENT TRIGGER audit_ddl_altered")
    run("DROP EVENT TRIGGER audit_ddl_dropped")
    run("DROP FUNCTION audit_ddl()")
    run("CREATE ROLE test_migrator; GRANT CREATE, USAGE ON SCHEMA public TO test_migrator")
    run("SET LOCAL ROLE test_migrator")
    run(DDL.FORWARDS.replace(DDL.OWN, '"public"'))
    run("RESET ROLE; REVOKE CREATE ON SCHEMA public FROM test_migrator")
    assert run("SELECT count(*) FROM pg_event_trigger") == [(0,)]
    assert run("SELECT to_regprocedure('audit_ddl()')::text") == [(None,)]
    assert verify().is_sound
