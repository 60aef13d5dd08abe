"""The state of guarded tables: `audit verify` names each way to weaken them, and none stops it."""

from __future__ import annotations

import json
import re

import pytest

from anomalies.audit import Actor, acting, guards
from anomalies.audit.guards import definitions, differences, fingerprint
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import AuditLog, AuditSeal
from anomalies.schema.adopt import journal
from tests.support.databases import run
from tests.support.factories import make_anomaly
from tests.support.seals import new_key, tampering

ANA = Actor("ana")


@pytest.fixture(autouse=True)
def key(settings) -> None:
    settings.SEAL_KEY = new_key()


@pytest.fixture
def sealed(db) -> None:
    """A sealed audit log, and a role that is no one's."""
    run("CREATE ROLE test_other")
    with acting(ANA):
        make_anomaly()
    seal()


# --- owner, privileges, shape -----------------------------------------------------------------------------

# What is altered, and what is said of it.
WEAKENED = {
    "owner of the table": (
        "ALTER TABLE audit_log OWNER TO test_other",
        "table audit_log is changed: owned by",
    ),
    "owner of the function": (
        "ALTER FUNCTION audit_anomaly_update() OWNER TO test_other",
        r"function audit_anomaly_update\(\) is changed",
    ),
    "grant": ("GRANT UPDATE ON audit_log TO test_other", "test_other may UPDATE audit_log"),
    "grant of a column": (
        "GRANT UPDATE (username) ON audit_log TO test_other",
        r"test_other may UPDATE audit_log \(username\)",
    ),
    "grant to everybody": ("GRANT TRUNCATE ON audit_seals TO PUBLIC", "PUBLIC may TRUNCATE audit_seals"),
    "grant with grant option": (
        "GRANT SELECT ON anomalies TO test_other WITH GRANT OPTION",
        "test_other may grant SELECT on anomalies to others",
    ),
    "grant of the sequence": (
        "GRANT UPDATE ON SEQUENCE audit_log_id_seq TO test_other",
        "test_other has UPDATE on the sequence audit_log_id_seq",
    ),
    "grant of a trigger's function": (
        "GRANT EXECUTE ON FUNCTION audit_event(text, text, uuid, jsonb) TO PUBLIC",
        r"everybody may call public\.audit_event",
    ),
    "grant of the schema": ("GRANT CREATE ON SCHEMA public TO test_other", "test_other may create objects"),
    "membership": ("GRANT {owner} TO test_other", "test_other is a member of {owner}"),
    "membership by way of another": (
        "CREATE ROLE test_between; GRANT {owner} TO test_between; GRANT test_between TO test_other",
        "test_other is a member of {owner}",
    ),
    "default": (
        "ALTER TABLE anomalies ALTER COLUMN status SET DEFAULT 'dismissed'",
        r"column anomalies\.status is changed: .*DEFAULT 'dismissed'",
    ),
    "default of the time": (
        "ALTER TABLE audit_log ALTER COLUMN timestamp SET DEFAULT '2020-01-01Z'",
        r"column audit_log\.timestamp is changed",
    ),
    "NOT NULL": (
        "ALTER TABLE audit_log ALTER COLUMN username DROP NOT NULL",
        r"column audit_log\.username is",
    ),
    "type": (
        "ALTER TABLE audit_log ALTER COLUMN action TYPE text",
        r"column audit_log\.action is changed: text",
    ),
    "column": ("ALTER TABLE anomalies ADD COLUMN secret text", r"column anomalies\.secret is not ours"),
    "CHECK dropped": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_dismissal_reason_check",
        "constraint anomalies_dismissal_reason_check on anomalies is missing",
    ),
    "CHECK added": (
        "ALTER TABLE audit_log ADD CHECK (username <> 'mallory') NOT VALID",
        "constraint audit_log_username_check on audit_log is not ours",
    ),
    "primary key": (
        "ALTER TABLE audit_log DROP CONSTRAINT audit_log_pkey",
        "constraint audit_log_pkey on audit_log is missing",
    ),
    "UNLOGGED": ("ALTER TABLE audit_log SET UNLOGGED", "table audit_log is changed: the owner's, UNLOGGED"),
    "a child": ("CREATE TABLE child () INHERITS (audit_log)", "child inherits from audit_log"),
    "a parent": (
        "CREATE TABLE parent (); ALTER TABLE audit_log INHERIT parent",
        "table audit_log is changed: .*INHERITS",
    ),
    "row security": (
        "ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY",
        "table audit_log is changed: .*ROW LEVEL SECURITY",
    ),
    "policy": ("CREATE POLICY few ON anomalies USING (false)", "policy few on anomalies is not ours"),
    "rule": (
        "CREATE RULE quiet AS ON INSERT TO audit_log DO INSTEAD NOTHING",
        "rule quiet on audit_log is not ours",
    ),
    "internal triggers": (
        "ALTER TABLE auth_user_groups DISABLE TRIGGER ALL",
        "foreign key trigger auth_user_groups_user_id_.* is not ours",
    ),
    "trigger for replicas only": (
        "ALTER TABLE anomalies ENABLE REPLICA TRIGGER audit_anomalies_update",
        "trigger audit_anomalies_update on anomalies is changed or disabled",
    ),
    "replica trigger": (
        "ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update_replica",
        "trigger audit_anomalies_update_replica on anomalies is changed or disabled",
    ),
    "trigger of another": (
        "CREATE TRIGGER aaa BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION next_version()",
        "trigger aaa on audit_log is not ours",
    ),
}


@pytest.mark.parametrize("what", WEAKENED)
def test_what_weakens_a_guarded_table_is_named(what, sealed):
    ((owner,),) = run("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'audit_log'")
    statement, said = (text.replace("{owner}", owner) for text in WEAKENED[what])
    run(statement)
    found = verify().problems
    assert any(re.search(said, problem) for problem in found), found


def test_a_member_of_the_owner_that_is_meant_to_be_one_is_named_with_role(sealed):
    ((owner,),) = run("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'audit_log'")
    run(f"GRANT {owner} TO test_other")
    assert verify(known_roles=("test_other",)).is_sound


def test_what_writes_the_log_is_named_first(db):
    run("ALTER TABLE anomalies ADD COLUMN secret text")
    run("ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update")
    kinds = [words.split()[0] for words in differences()]
    assert kinds == ["trigger", "column"]


def test_of_a_long_definition_200_characters_are_shown(db):
    run("ALTER TABLE anomalies ALTER COLUMN notes SET DEFAULT '" + "x" * 300 + "'")
    (words,) = differences()
    assert len(words.removeprefix("column anomalies.notes is changed: ")) == 200


def test_the_fingerprint_is_that_of_what_is_ours(db):
    before = fingerprint()
    run("CREATE FUNCTION public.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert fingerprint() == before
    run("ALTER FUNCTION audit_anomaly_update() COST 7")
    changed = fingerprint()
    run("ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update")
    assert len({before, changed, fingerprint()}) == 3


@pytest.mark.parametrize("kind", ["column", "trigger"])
def test_what_an_adoption_left_is_accepted_unless_it_writes_the_log(kind, db):
    """The journal of an adoption as `schema adopt` writes it, with one difference that it left."""
    run("ALTER TABLE anomalies ADD COLUMN secret text")
    run("CREATE TRIGGER theirs BEFORE UPDATE ON anomalies FOR EACH ROW EXECUTE FUNCTION next_version()")
    name = {"column": "column anomalies.secret", "trigger": "trigger theirs on anomalies"}[kind]
    left = [kind, name.removeprefix(f"{kind} "), definitions()[name]]
    run(journal._TABLE.format(journal=f'"{journal.NAME}"'))
    insert = f"INSERT INTO {journal.NAME} (by_user, golang_version, left_alone, checksums) "
    run(insert + "VALUES ('x', 1, %s, '[]')", json.dumps([left]))
    assert any(words.startswith(name) for words in differences()) is (kind == "trigger")


@pytest.mark.parametrize(
    "tuned",
    [
        "ALTER TABLE anomalies SET (autovacuum_vacuum_scale_factor = 0.01)",
        "ALTER TABLE anomalies REPLICA IDENTITY FULL",
        "ALTER TABLE anomalies ALTER COLUMN window_data SET STORAGE EXTERNAL",
        "GRANT SELECT ON anomalies TO test_other",
        "CREATE INDEX one_more ON anomalies (novelty)",
    ],
)
def test_what_an_operator_tunes_is_no_problem(tuned, sealed):
    run(tuned)
    assert verify().is_sound


# --- ids and sets of ids that break arithmetic ------------------------------------------------------------


@pytest.mark.parametrize("number", [2**63 - 1, 2**63 - 2, 0, -1, -(2**63)])
def test_an_entry_of_any_id_stops_neither_seal_nor_verify(number, sealed):
    run("INSERT INTO audit_log (id, username, action, resource_type) VALUES (%s, 'x', 'y', 'z')", number)
    with acting(ANA):
        entry = make_anomaly().pk
    assert seal() >= 1
    assert any(f"entry {number} was added by hand" in problem for problem in verify().problems)
    ((is_sealed,),) = run(
        "SELECT EXISTS (SELECT FROM audit_log, audit_seals WHERE resource_id = %s AND ids @> audit_log.id)",
        entry,
    )
    assert is_sealed


@pytest.mark.parametrize("ids", ["{(,)}", "{}", "{[1,)}", "{(,5)}", "{[1,9223372036854775807)}"])
def test_ids_of_a_seal_that_are_no_set_are_named_and_stop_nothing(ids, sealed):
    with tampering():
        run("UPDATE audit_seals SET ids = %s::int8multirange WHERE number = 1", ids)
    with acting(ANA):
        make_anomaly()
    assert seal() >= 1
    assert any(problem.startswith("seal 1 ") for problem in verify().problems)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seen", "''"),
        ("seen", "'x'"),
        ("seen", "'1:2'"),
        ("seen", "'99999999999999999999:1:1:1'"),
        ("rows", "-1"),
        ("settled", "9223372036854775807"),
        ("number", "9223372036854775807"),
        ("number", "-5"),
        ("row_hashes", "''"),
        ("made_at", "'infinity'"),
        ("made_at", "'-infinity'"),
        ("made_at", "'20000-01-01'"),
        ("signature", "'no hexadecimal'"),
        ("head", "''"),
    ],
)
def test_a_seal_that_was_edited_into_anything_is_named_and_stops_nothing(column, value, sealed):
    with tampering():
        run(f"UPDATE audit_seals SET {column} = {value}")
    with acting(ANA):
        make_anomaly()
    assert seal() >= 1
    assert any(problem.startswith("seal ") for problem in verify().problems)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC", "0001-01-01"])
def test_an_entry_of_any_time_stops_neither_seal_nor_verify(moment, sealed):
    with tampering():
        run("UPDATE audit_log SET timestamp = %s", moment)
    assert any("was edited" in problem for problem in verify().problems)
    run(
        "INSERT INTO audit_log (timestamp, username, action, resource_type) VALUES (%s, 'x', 'y', 'z')",
        moment,
    )
    assert seal() >= 1


# --- times, and seals over the same entry -----------------------------------------------------------------


@pytest.mark.parametrize("is_sealed", [True, False])
def test_an_entry_whose_time_is_before_an_earlier_seal_is_named(is_sealed, sealed):
    run(
        "INSERT INTO audit_log (timestamp, username, action, resource_type) "
        "SELECT made_at - interval '1 hour', 'mallory', 'dismiss', 'anomaly' FROM audit_seals"
    )
    entry = AuditLog.objects.get(username="mallory").pk
    if is_sealed:
        seal()
    assert f"entry {entry} was numbered after seal 1 was made" in verify().problems[0]


def test_an_entry_that_two_seals_cover_is_named(sealed):
    """The second seal is the sealer's own, with the right key, over an entry that the first one has."""
    entry = AuditLog.objects.latest("id").pk
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("anomalies.audit.seals.seals_above", lambda cursor, settled: [])
        patched.setattr("anomalies.audit.seals._settled_by", lambda recent: 0)
        seal()
    assert AuditSeal.objects.filter(ids__contains=entry).count() == 2
    assert any("is covered twice, by the seals 1 and 2" in problem for problem in verify().problems)


# --- the fingerprint that a seal states -------------------------------------------------------------------


def test_the_fingerprint_does_not_depend_on_functions_of_others_nor_on_the_order(db, monkeypatch):
    before, found = fingerprint(), guards.guards()
    run("CREATE FUNCTION own_of_somebody() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert fingerprint() == before
    monkeypatch.setattr(guards, "guards", lambda: dict(reversed(found.items())))
    assert fingerprint() == before


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE audit_log ADD COLUMN secret text",
        "ALTER FUNCTION audit_anomaly_update() SECURITY INVOKER",
        "CREATE RULE quiet AS ON INSERT TO audit_log DO INSTEAD NOTHING",
    ],
)
def test_the_fingerprint_changes_with_a_guard(db, change):
    before = fingerprint()
    run(change)
    assert fingerprint() != before


@pytest.mark.parametrize("schema", ["desk", "public", "watch"])
def test_definitions_of_an_installation_in_any_schema_are_compared_as_if_in_public(schema, monkeypatch):
    monkeypatch.setattr(guards, "own_schema", lambda: schema)
    monkeypatch.setattr(guards, "quoted", lambda name: name)
    monkeypatch.setattr(guards, "identifier", lambda name: f'"{name}"')
    text = 'AFTER INSERT ON {0}.audit_log EXECUTE FUNCTION {0}.noted() "{0}".x of other.{0}'
    said = guards._in_public(text.format(schema))
    assert said == text.format("public").replace("other.public", f"other.{schema}")
