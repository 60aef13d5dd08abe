"""Objects that stand in for ours or PostgreSQL's own mislead neither triggers nor seals, and are named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anomalies.audit import Actor, record_event
from anomalies.audit.bundle import bundle
from anomalies.audit.seals import SealError, seal
from anomalies.audit.verification import verify
from anomalies.queries import hourly_rollup
from anomalies.schema import search_path
from anomalies.triage.decisions import decide
from tests.support.databases import run
from tests.support.factories import make_anomaly
from tests.support.seals import new_key, tampering

ANA = Actor("ana")
# As a bulk's trigger runs: an attacker's function can tell the trigger's session from others by this.
SILENT = "SELECT current_setting('enable_nestloop') = 'off' OR a::text OPERATOR(pg_catalog.=) b::text"


def function(signature: str, returns: str, body: str) -> str:
    return f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE sql STABLE AS $$ {body} $$;"


def operator(name: str, left: str, right: str, body: str) -> str:
    made = function(f"helper.compares(a {left}, b {right})", "boolean", body)
    return f"{made} CREATE OPERATOR {name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = helper.compares)"


ATTACKS = {
    "operator = (varchar, varchar)": operator("public.=", "varchar", "varchar", SILENT),
    "operator = (varchar, text)": operator("public.=", "varchar", "text", SILENT),
    "operator <> (varchar, varchar)": operator("public.<>", "varchar", "varchar", "SELECT false"),
    "operator ? (jsonb, varchar)": operator("public.?", "jsonb", "varchar", "SELECT false"),
    "operator || (jsonb, text)": f"""
        {function("helper.joins(a jsonb, b text)", "jsonb", "SELECT '{}'::jsonb")}
        CREATE OPERATOR public.|| (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = helper.joins)
    """,
    "function jsonb_build_object": function(
        "public.jsonb_build_object(text, varchar)", "pg_catalog.jsonb", "SELECT '{}'::jsonb"
    ),
    "function current_setting": function(
        "public.current_setting(varchar, boolean)", "pg_catalog.text", "SELECT 'mallory'"
    ),
    "function audit_event": function(
        "public.audit_event(varchar, varchar, uuid, jsonb)", "pg_catalog.text", "SELECT ''"
    ),
    "type jsonb": "CREATE DOMAIN public.jsonb AS pg_catalog.text",
    "type text": "CREATE DOMAIN public.text AS pg_catalog.text CHECK (VALUE IS NULL)",
    "cast of text to jsonb": f"""
        {function("helper.casts(text)", "jsonb", "SELECT jsonb_build_object('batch', 'x')")}
        CREATE CAST (text AS jsonb) WITH FUNCTION helper.casts(text)
    """,
    "schema named as the role": """
        CREATE SCHEMA AUTHORIZATION CURRENT_USER;
        CREATE TABLE audit_log (LIKE public.audit_log INCLUDING DEFAULTS)
    """,
    "temporary tables": """
        CREATE TEMP TABLE audit_log (LIKE public.audit_log INCLUDING DEFAULTS);
        CREATE TEMP TABLE audit_seals (LIKE public.audit_seals);
        CREATE TEMP TABLE pg_class (LIKE pg_catalog.pg_class)
    """,
}


@pytest.fixture(autouse=True)
def new_process(settings) -> None:
    """A key to seal with, and nothing known yet of where the tables are."""
    settings.SEAL_KEY = new_key()
    search_path._known.clear()


@pytest.fixture
def helper(db) -> None:
    run("CREATE SCHEMA helper")


def entries_of(anomaly) -> list[tuple]:
    found = run(
        "SELECT username, action, new_values ->> 'status' FROM public.audit_log "
        "WHERE resource_id = %s ORDER BY id",
        anomaly.pk,
    )
    return [entry for entry in found if entry[1] != "create"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_change_of_status_is_recorded_whatever_stands_on_the_path(attack, helper):
    anomaly = make_anomaly()
    run("SET LOCAL driftlock.requires_actor = 'off'")
    run(ATTACKS[attack])
    run("SET LOCAL driftlock.username = 'ana'")
    run("UPDATE public.anomalies SET status = 'dismissed', dismissed_by = 'lea'")
    assert entries_of(anomaly) == [("ana", "dismiss", "dismissed")]


@pytest.mark.parametrize("attack", [name for name in ATTACKS if "operator" in name or "function" in name])
def test_a_decision_at_the_desk_is_recorded(attack, helper):
    anomaly = make_anomaly()
    run(ATTACKS[attack])
    if decide("dismiss", [anomaly.pk], ANA, reason="other").decided:
        assert entries_of(anomaly) == [("ana", "dismiss", "dismissed")]
    else:  # an operator that finds no status equal stops the decision too
        assert entries_of(anomaly) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_event_is_recorded(attack, helper):
    run(ATTACKS[attack])
    record_event("login", ANA)
    assert run("SELECT username FROM public.audit_log WHERE action = 'login'") == [("ana",)]


@pytest.mark.parametrize(
    "attack", [name for name in ATTACKS if name.startswith(("operator", "cast", "schema"))]
)
def test_what_stands_in_for_an_object_is_named(attack, helper):
    seal()
    run(ATTACKS[attack])
    assert any("stands" in problem or "copies" in problem for problem in verify().problems)


# --- a copy of the audit log ------------------------------------------------------------------------------


def copied(schema: str) -> None:
    """A schema with clean copies, and the audit log itself edited and cut."""
    for number in range(3):
        decide("dismiss", [make_anomaly().pk], ANA, reason="other", note=f"note {number}")
    seal()
    for table in ("audit_log", "audit_seals"):
        run(f"CREATE TABLE {schema}.{table} AS SELECT * FROM public.{table}")
    with tampering():
        run("DELETE FROM public.audit_log WHERE id = (SELECT min(id) FROM public.audit_log)")
        run("UPDATE public.audit_log SET username = 'mallory' WHERE action = 'dismiss'")


def empty_copies(*tables: str) -> None:
    """In a schema that the session looks in first."""
    run("CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    ((role,),) = run("SELECT current_user::text")
    for table in tables:
        run(f"CREATE TABLE {role}.{table} AS SELECT * FROM public.{table} LIMIT 0")


def by_role() -> None:
    run("CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    copied(run("SELECT current_user::text")[0][0])


def by_path() -> None:
    run("CREATE SCHEMA evil")
    copied("evil")
    run("SET LOCAL search_path = evil, public")


def by_temporary_tables() -> None:
    copied("pg_temp")


COPIES: dict[str, Callable[[], None]] = {
    "a schema named as the role": by_role,
    "a schema before ours": by_path,
    "temporary tables": by_temporary_tables,
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_hides_no_edit_and_no_removal(way, db):
    COPIES[way]()
    problems = " ".join(verify().problems)
    assert ("was edited" in problems and "was removed" in problems) or "all but one are copies" in problems


@pytest.mark.parametrize("way", ["a schema named as the role", "a schema before ours"])
def test_nothing_is_sealed_while_there_are_two_audit_logs(way, db):
    COPIES[way]()
    with pytest.raises(SealError, match="drop the copy"):
        seal()


def test_a_copy_that_a_role_would_find_first_is_named(db):
    run("CREATE ROLE test_app LOGIN")
    run("CREATE SCHEMA test_app")
    run("CREATE TABLE test_app.anomalies AS SELECT * FROM public.anomalies")
    expected = "test_app.anomalies stands before public.anomalies for the role test_app; drop it"
    assert expected in verify().problems


def test_a_copy_that_the_path_of_a_role_names_first_is_named(db):
    run("CREATE ROLE test_app LOGIN")
    run("CREATE SCHEMA evil")
    run("CREATE VIEW evil.audit_log AS SELECT * FROM public.audit_log")
    run("ALTER ROLE test_app SET search_path = evil, public")
    assert any("evil.audit_log stands before public.audit_log" in each for each in verify().problems)


def test_another_installation_in_a_schema_of_its_own_is_no_problem(db):
    seal()
    run("CREATE SCHEMA staging")
    run("CREATE TABLE staging.audit_log AS SELECT * FROM public.audit_log")
    assert verify().is_sound


def test_a_bundle_is_made_of_the_rows_themselves(db):
    anomaly = make_anomaly()
    decide("dismiss", [anomaly.pk], ANA, reason="other")
    seal()
    empty_copies("anomalies", "audit_log", "audit_seals", "detection_config")
    made = bundle(anomaly.pk, ANA)["bundle"]
    assert (made["anomaly"]["status"], len(made["history"]), len(made["seals"])) == ("dismissed", 2, 1)


def test_the_roll_up_is_checked_against_the_tables_themselves(db):
    make_anomaly()
    hourly_rollup.fold()
    run("UPDATE public.anomaly_hours SET total = 7")
    empty_copies("anomalies", "anomaly_hours", "anomaly_hour_deltas", "anomaly_totals")
    assert len(hourly_rollup.differences()) == 2
