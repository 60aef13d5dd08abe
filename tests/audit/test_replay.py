"""`audit verify --replay`: what was changed while nothing recorded it, is named by row and column."""

from __future__ import annotations

import importlib
import random
import re
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction

from anomalies.audit import Actor, acting, replay_sources
from anomalies.audit.replay import Event, Folded, Rules, compared, fold, is_same, parsed, shown, unexplained
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.schema.search_path import identifier
from anomalies.thresholds import activate
from anomalies.triage.assignment import assign
from anomalies.triage.comments import add
from anomalies.triage.decisions import add_note, decide
from tests.support.databases import run
from tests.support.factories import anomaly_values, make_anomaly, make_user
from tests.support.seals import new_key, tampering
from tests.support.sizes import amount

ANA = Actor("ana", "10.0.0.7", via="/admin/")
TABLES = (
    "anomalies",
    "detection_config",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "api_tokens",
    "triage_rules",
    "notification_rules",
    "anomaly_comments",
)


@pytest.fixture(autouse=True)
def key(settings) -> None:
    settings.SEAL_KEY = new_key()


def differences() -> list[str]:
    return list(verify(replay=True).problems)


@pytest.fixture
def history(db) -> None:
    """Decisions of each kind, a comment, two configs, three accounts with roles; sealed."""
    for name in ("ana", "bob", "eve"):
        make_user("analyst", name)
    for number in range(12):
        with acting(ANA):
            make_anomaly(notes=f"row {number}")
    rows = list(Anomaly.objects.order_by("notes").values_list("pk", flat=True))
    decide("acknowledge", rows[:3], ANA, note="real")
    decide("dismiss", rows[3:6], ANA, reason="false_positive")
    decide("investigate", rows[6:8], ANA)
    decide("reopen", rows[:1], ANA)
    assign(rows[8:9], "bob", ANA)
    add_note(rows[9], ANA, "seen")
    add(rows[9], "@bob, is this the disk?", ANA)
    run("UPDATE anomalies SET ncd_score = 0.8, window_data = '[1]' WHERE id = %s", rows[10])
    User.objects.filter(username="bob").update(email="bob@example.org")
    User.objects.get(username="eve").user_permissions.add(Permission.objects.get(codename="view_anomaly"))
    User.objects.get(username="eve").delete()
    activate(DetectionConfig.objects.create(ncd_threshold=0.7).pk, ANA)
    seal()


def test_what_was_recorded_is_what_the_tables_hold(history):
    verdict = verify(replay=True)
    assert (verdict.problems, verdict.replayed) == ((), 12 + 1 + 2 + 2 + 2 + 3 + 23)


def test_a_new_database_has_nothing_to_name(db):
    """Its config, its three roles and their permissions are compared."""
    verdict = verify(replay=True)
    assert (verdict.problems, verdict.replayed) == ((), 1 + 3 + 23)
    assert verify().replayed is None


# --- off and on again -------------------------------------------------------------------------------------

ANY = "(SELECT id FROM {0} ORDER BY md5(id::text || '{1}') LIMIT 1)"
# What is changed, as SQL, and what is said of it.
OFF_RECORD = {
    "a decision": (
        "UPDATE anomalies SET dismissed_by = 'mallory' WHERE status = 'dismissed' AND {one}",
        r'anomaly \S+: dismissed_by is "mallory"; entry \d+ recorded "ana"',
    ),
    "a status": (
        "UPDATE anomalies SET status = 'dismissed' WHERE status = 'acknowledged' AND {one}",
        r'anomaly \S+: status is "dismissed"; entry \d+ recorded "acknowledged"',
    ),
    "a decision of nobody": (
        "UPDATE anomalies SET status = 'dismissed', dismissed_by = 'ana' "
        "WHERE notes = 'row 9' OR notes = 'row 8'",
        r'anomaly \S+: status is "dismissed"; no entry recorded that',
    ),
    "a decision taken back": (
        "UPDATE anomalies SET status = 'pending' WHERE status = 'acknowledged' AND {one}",
        r'anomaly \S+: status is "pending"; entry \d+ recorded "acknowledged"',
    ),
    "a decision in another's name": (
        "UPDATE anomalies SET acknowledged_by = 'mallory' WHERE status = 'dismissed' AND {one}",
        r'anomaly \S+: acknowledged_by is "mallory"; no entry recorded that',
    ),
    "a decision's time": (
        "UPDATE anomalies SET dismissed_at = dismissed_at - interval '1 day' WHERE status = 'dismissed'",
        r'anomaly \S+: dismissed_at is "[^"]+"; entry \d+ recorded "[^"]+"',
    ),
    "an assignee": (
        "UPDATE anomalies SET assigned_to = 'eve' WHERE assigned_to = 'bob'",
        r'anomaly \S+: assigned_to is "eve"; entry \d+ recorded "bob"',
    ),
    "a note": (
        "UPDATE anomalies SET notes = 'fine' WHERE status = 'acknowledged' AND {one}",
        r'anomaly \S+: notes is "fine"; entry \d+ recorded "row \d+\\nreal"',
    ),
    "a comment": (
        "UPDATE anomaly_comments SET text = 'it is not the disk'",
        r'comment \S+: text is "it is not the disk"; entry \d+ recorded "@bob, is this the disk\?"',
    ),
    "a recorded score": (
        "UPDATE anomalies SET ncd_score = 0.1 WHERE ncd_score = 0.8",
        r"anomaly \S+: ncd_score is 0.1; entry \d+ recorded 0.8",
    ),
    "recorded evidence": (
        "UPDATE anomalies SET window_data = '[2]' WHERE window_data = '[1]'",
        r"anomaly \S+: window_data is \[2\]; entry \d+ recorded \[1\]",
    ),
    "an anomaly removed": (
        "DELETE FROM anomalies WHERE status = 'dismissed' AND {one}",
        r"anomaly \S+: is missing; entry \d+ is about it, and no entry says that it was deleted",
    ),
    "an anomaly nobody saw removed": (
        "DELETE FROM anomalies WHERE notes = 'row 11' OR notes = 'row 10'",
        r"there are 1\d anomalies; the audit log accounts for 12",
    ),
    "an anomaly slipped in": (
        "INSERT INTO anomalies SELECT (jsonb_populate_record(anomalies, "
        "jsonb_build_object('id', gen_random_uuid()))).* FROM anomalies LIMIT 1",
        r"there are 13 anomalies; the audit log accounts for 12",
    ),
    "a column given another value with its type": (
        "ALTER TABLE anomalies ALTER COLUMN acknowledged_by TYPE varchar(255) USING 'mallory'",
        r'anomaly \S+: acknowledged_by is "mallory"; entry \d+ recorded "ana"',
    ),
    "a flag given with its type": (
        "ALTER TABLE auth_user ALTER COLUMN is_superuser TYPE boolean "
        "USING (is_superuser OR username = 'bob')",
        r"account \d+: is_superuser is true; entry \d+ recorded false",
    ),
    "a config": (
        "UPDATE detection_config SET ncd_threshold = 0.99 WHERE is_active",
        r"config \d+: ncd_threshold is 0.99; entry \d+ recorded 0.7",
    ),
    "the default config": (
        "UPDATE detection_config SET window_size = 1000 WHERE id = 1",
        r"config 1: window_size is 1000; a new database has 10",
    ),
    "another active config": (
        "UPDATE detection_config SET is_active = false; "
        "UPDATE detection_config SET is_active = true WHERE id = 1",
        r"config 1: is_active is true; entry \d+ recorded false",
    ),
    "a config slipped in": (
        "INSERT INTO detection_config (ncd_threshold) VALUES (0.1)",
        r"config \d+: is in the table, and no entry says who made it",
    ),
    "a config removed": (
        "DELETE FROM detection_config WHERE NOT is_active",
        r"config 1: is missing; entry \d+ is about it, and no entry says that it was deleted",
    ),
    "a superuser": (
        "UPDATE auth_user SET is_superuser = true WHERE username = 'bob'",
        r"account \d+: is_superuser is true; entry \d+ recorded false",
    ),
    "an account's address": (
        "UPDATE auth_user SET email = 'eve@example.org' WHERE username = 'bob'",
        r'account \d+: email is "eve@example.org"; entry \d+ recorded "bob@example.org"',
    ),
    "an account slipped in": (
        "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, "
        "is_active, date_joined) VALUES ('mallory', '', '', '', '', true, true, true, now())",
        r"account \d+: is in the table, and no entry says who made it",
    ),
    "a role given": (
        "INSERT INTO auth_user_groups (user_id, group_id) SELECT max(auth_user.id), 3 FROM auth_user",
        r"membership \d+: is in the table, and no entry says who made it",
    ),
    "a role taken": (
        "DELETE FROM auth_user_groups WHERE id = (SELECT max(id) FROM auth_user_groups)",
        r"membership \d+: is missing; entry \d+ is about it, and no entry says that it was deleted",
    ),
    "a role exchanged": (
        "UPDATE auth_user_groups SET group_id = 3",
        r"membership \d+: group_id is 3; entry \d+ recorded 2",
    ),
    "a permission given to a role": (
        "INSERT INTO auth_group_permissions (group_id, permission_id) "
        "SELECT 1, id FROM auth_permission WHERE codename = 'decide_anomaly'",
        r"permission of a role \d+: is in the table, and no entry says who made it",
    ),
    "a permission taken from a role": (
        "DELETE FROM auth_group_permissions WHERE group_id = 2 AND permission_id = "
        "(SELECT id FROM auth_permission WHERE codename = 'decide_anomaly')",
        r"role analyst: the permission decide_anomaly is missing, and no entry says that it was revoked",
    ),
    "a permission given to an account": (
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) "
        "SELECT max(auth_user.id), max(auth_permission.id) FROM auth_user, auth_permission",
        r"permission of an account \d+: is in the table, and no entry says who made it",
    ),
    "a role renamed": (
        "UPDATE auth_group SET name = 'lead too' WHERE id = 1",
        r'role 1: name is "lead too"; a new database has "viewer"',
    ),
}


def off_record(change: str, chance: int = 0, of: object = None) -> None:
    """The change as somebody makes it who disables every trigger for that long."""
    one = f"md5(id::text || '{chance}') = (SELECT min(md5(id::text || '{chance}')) FROM anomalies AS any_"
    condition = re.search(r"WHERE (status = '\w+') AND \{one\}", change)
    one += f" WHERE {condition[1]})" if condition else ")"
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with tampering(*TABLES):
        run(change.replace("{one}", one), *([of] if of else []))
        run("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("what", OFF_RECORD)
def test_what_nothing_recorded_is_named(what, history):
    change, said = OFF_RECORD[what]
    off_record(change)
    found = differences()
    assert any(re.fullmatch(said, each, re.S) for each in found), found


def test_as_many_as_asked_for_are_all_found(history):
    chance, missed = random.Random(20261128), []
    for number in range(amount("DRIFTLOCK_REPLAYS")):
        what = chance.choice(list(OFF_RECORD))
        with transaction.atomic():
            off_record(OFF_RECORD[what][0], number)
            if not differences():
                missed.append(what)
            transaction.set_rollback(True)
    assert missed == []
    assert differences() == []


def test_a_change_that_was_hidden_by_a_recorded_one_is_named(history):
    """Off the record to another value, then on record onwards from that."""
    off_record("UPDATE anomalies SET dismissed_by = 'mallory' WHERE status = 'dismissed'")
    rows = list(Anomaly.objects.filter(status="dismissed").values_list("pk", flat=True))
    decide("reopen", rows, ANA)
    said = r'anomaly \S+: dismissed_by was "mallory" for entry \d+; entry \d+ recorded "ana"'
    found = differences()
    assert len(found) == 3 and all(re.fullmatch(said, each, re.S) for each in found), found


def test_the_command_names_the_differences_and_ends_with_1(history, capsys):
    off_record("UPDATE auth_user SET is_superuser = true WHERE username = 'bob'")
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "verify", "--replay")
    assert ended.value.code == 1
    assert "is_superuser is true" in capsys.readouterr().out


def test_without_replay_the_tables_are_not_compared(history):
    off_record("UPDATE auth_user SET is_superuser = true WHERE username = 'bob'")
    assert not any("is_superuser" in each for each in verify().problems)


def test_beyond_a_number_differences_are_counted(history, monkeypatch):
    monkeypatch.setattr("anomalies.audit.replay_sources.NAMED", 2)
    off_record("UPDATE anomalies SET notes = 'fine', dismissed_by = 'mallory'")
    assert [each for each in differences() if "further" in each] != []


def test_an_anomaly_more_than_the_audit_log_accounts_for_is_counted(db):
    make_anomaly()
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with tampering(*TABLES):
        make_anomaly()
        run("SET CONSTRAINTS ALL IMMEDIATE")
    assert differences()[0] == "there are 2 anomalies; the audit log accounts for 1"


def test_one_change_is_one_difference(db):
    anomaly, other = make_anomaly(), make_anomaly()
    run("UPDATE anomalies SET ncd_score = 0.8")
    off_record("UPDATE anomalies SET status = 'dismissed', ncd_score = 0.1 WHERE id = %s", of=anomaly.pk)
    score = f"anomaly {anomaly.pk}: ncd_score is 0.1; entry "
    status = f'anomaly {anomaly.pk}: status is "dismissed"; no entry recorded that'
    found = differences()
    assert [found[0].startswith(score), *found[1:]] == [True, status] and str(other.pk) not in str(found)
    off_record("DELETE FROM anomalies WHERE id = %s", of=other.pk)
    assert differences()[0] == "there are 1 anomalies; the audit log accounts for 2"
    off_record(
        "DELETE FROM auth_group_permissions WHERE group_id = 2 AND permission_id = "
        "(SELECT id FROM auth_permission WHERE codename = 'decide_anomaly')"
    )
    assert differences()[-1].startswith("role analyst: the permission decide_anomaly is missing")


@pytest.mark.parametrize(
    ("decided", "last"),
    [
        (1, None),
        (2, None),
        (
            3,
            "3 anomalies are decided though no entry says so; when the audit log began to record that, "
            "there were 2: which of them are new is not known",
        ),
    ],
)
def test_as_many_as_were_decided_before_the_audit_log_need_no_entry(decided, last, db):
    with tampering("anomalies"):
        for number in range(3):
            make_anomaly(status="dismissed" if number < decided else "pending")
        run("SET CONSTRAINTS ALL IMMEDIATE")
    run(
        "INSERT INTO audit_log (username, action, resource_type, metadata) "
        """VALUES ('x', 'baseline', 'anomaly', '{"rows": 3, "decided": 2}')"""
    )
    found = differences()
    assert (len(found), found[-1] if found else None) == (2 if last else 0, last)


def test_differences_of_a_table_are_listed_up_to_a_number_and_counted_from_there(monkeypatch):
    monkeypatch.setattr(replay_sources, "NAMED", 2)
    assert list(replay_sources._limited("ab", "x")) == ["a", "b"]
    assert list(replay_sources._limited("abcde", "x")) == ["a", "b", "x: 3 further differences"]


def test_a_role_that_may_not_read_a_table_is_named_with_what_to_do(db):
    run("CREATE ROLE replays_nothing")
    run("SET LOCAL ROLE replays_nothing")
    with connection.cursor() as cursor, pytest.raises(replay_sources.ReplayError) as refused:
        list(replay_sources.problems(cursor, replay_sources.Count()))
    assert re.fullmatch(
        "permission denied for .+; `manage.py roles`, run again, lets the sealer replay", str(refused.value)
    )


def test_another_failure_of_the_database_is_not_taken_for_a_missing_privilege(db):
    missing = pytest.raises(ProgrammingError, match="email")
    with missing, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_user RENAME COLUMN email TO mail")
        list(replay_sources.problems(cursor, replay_sources.Count()))
    with pytest.raises(DatabaseError, match="aborted"), transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(DatabaseError):
            cursor.execute("SELECT 1 / 0")
        list(replay_sources.problems(cursor, replay_sources.Count()))


# --- what is no difference --------------------------------------------------------------------------------


def imported(**values: Any) -> None:
    Anomaly.objects.bulk_create([Anomaly(**anomaly_values()), Anomaly(**anomaly_values(**values))])


def test_an_anomaly_that_came_in_decided_is_recorded_as_it_came(db):
    imported(status="dismissed", dismissed_by="lea", dismissal_reason="other")
    entry = AuditLog.objects.get(action="import")
    assert entry.new_values == {"status": "dismissed", "dismissed_by": "lea", "dismissal_reason": "other"} | (
        {} if entry.new_values.get("notes") is None else {"notes": entry.new_values["notes"]}
    )
    assert differences() == []


def test_a_decision_that_came_in_and_was_changed_since_is_named(db):
    imported(status="dismissed", dismissed_by="lea")
    off_record("UPDATE anomalies SET dismissed_by = 'mallory' WHERE status = 'dismissed'")
    assert 'dismissed_by is "mallory"' in differences()[0]


def test_one_anomaly_that_comes_in_decided_has_one_entry(db):
    make_anomaly(status="acknowledged", acknowledged_by="lea")
    (entry,) = AuditLog.objects.all()
    assert (entry.action, entry.new_values["acknowledged_by"]) == ("create", "lea")
    assert differences() == []


def test_changes_of_an_id_are_followed(db):
    make_anomaly(status="dismissed")
    make_anomaly(status="acknowledged")
    for number in range(3):
        run(f"UPDATE anomalies SET id = gen_random_uuid(), notes = 'moved {number}'")
    assert differences() == []
    off_record("UPDATE anomalies SET status = 'pending'")
    assert len(differences()) == 2


def test_an_id_that_is_used_again_is_another_row(db):
    anomaly = make_anomaly(status="dismissed")
    run("UPDATE anomalies SET id = gen_random_uuid()")
    make_anomaly(id=anomaly.pk, status="acknowledged")
    assert differences() == []


def test_an_anomaly_that_was_deleted_and_came_again_is_no_difference(db):
    anomaly = make_anomaly(status="dismissed")
    Anomaly.objects.filter(pk=anomaly.pk)._raw_delete("default")
    Anomaly.objects.bulk_create([Anomaly(**anomaly_values(), id=anomaly.pk), Anomaly(**anomaly_values())])
    assert differences() == []


def test_after_a_truncate_there_is_nothing_of_before(history):
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("TRUNCATE anomalies")
    run("TRUNCATE detection_config, auth_user, auth_group CASCADE")
    make_anomaly(status="dismissed")
    assert differences() == []


def test_entries_of_sessions_in_another_zone_are_the_same_moments(db):
    anomaly = make_anomaly()
    run("SET LOCAL TimeZone = 'Asia/Tokyo'")
    decide("dismiss", [anomaly.pk], ANA, reason="other")
    run("SET LOCAL TimeZone = 'America/Lima'")
    decide("reopen", [anomaly.pk], ANA)
    decide("acknowledge", [anomaly.pk], ANA)
    assert differences() == []


def test_digits_that_a_session_leaves_out_are_recorded_all_the_same(db):
    make_anomaly()
    run("SET LOCAL extra_float_digits = -10")
    run("UPDATE anomalies SET ncd_score = 0.123456789012345678")
    assert AuditLog.objects.latest("id").new_values == {"ncd_score": 0.12345678901234568}
    assert differences() == []


@pytest.mark.parametrize("new", ["'[1]'", "'7'", '\'{"status": {"a": [1]}}\''])
def test_a_forged_entry_of_any_shape_stops_nothing(history, new):
    row = Anomaly.objects.filter(status="dismissed").first()
    run(
        "INSERT INTO audit_log (username, action, resource_type, resource_id, new_values, metadata) "
        f"VALUES ('x', 'update', 'anomaly', %s, {new}, '{{\"rows\": \"x\", \"id\": {{}}}}')",
        row.pk,
    )
    assert any("entry" in each for each in differences())


def test_what_was_there_before_the_audit_log_is_counted_by_a_baseline(db):
    """As in a database that was adopted: two decided anomalies without an entry, a config and an account."""
    with tampering(*TABLES):
        for number in range(3):
            make_anomaly(status="dismissed" if number else "pending")
        DetectionConfig.objects.create(ncd_threshold=0.6)
        make_user("viewer", "old")
        run("SET CONSTRAINTS ALL IMMEDIATE")
    baselines()
    assert differences() == []
    off_record("UPDATE anomalies SET status = 'dismissed'")
    off_record("UPDATE auth_user SET is_staff = false")
    found = differences()
    assert any("3 anomalies are decided though no entry says so" in each for each in found)
    assert any(each.startswith("account") and "is_staff is false" in each for each in found)


def baselines() -> None:
    """The entries that migrations write for rows without an entry."""
    for name in ("0034_baseline_of_accounts", "0035_baseline_of_anomalies"):
        migration = importlib.import_module(f"anomalies.migrations.{name}")
        statements = getattr(migration, "FORWARDS", None) or [migration.BASELINE]
        for statement in statements:
            if "INSERT INTO" in statement:
                run(statement.replace(migration.OWN, identifier("public")))


# --- folding ----------------------------------------------------------------------------------------------

RULES = Rules("row", frozenset({"a", "at"}), times=frozenset({"at"}))


def folded(*events: Event, rules: Rules = RULES) -> list[str]:
    return [words for state, found in fold(events, rules) for words in compared(state, found, rules)]


def row(key: str, values: str) -> Event:
    return Event(key, None, "row", None, values)


def test_the_last_value_of_each_column_counts():
    made = Event("1", 1, "create", None, '{"a": 1}')
    changed = Event("1", 2, "update", '{"a": 1}', '{"a": 2}')
    assert folded(made, changed, Event("1", None, "row", None, '{"a": 2}')) == []
    assert folded(made, changed, Event("1", None, "row", None, '{"a": 1}')) == [
        "row 1: a is 1; entry 2 recorded 2"
    ]


def test_what_is_made_twice_is_named():
    made = Event("1", 1, "create", None, '{"a": 1}')
    assert "makes it; it was there already" in folded(made, made._replace(entry=2))[0]


def test_what_changes_after_it_was_deleted_is_named():
    gone, changed = Event("1", 1, "delete", None, None), Event("1", 2, "update", '{"a": 1}', '{"a": 2}')
    assert "entry 2 changes it; entry 1 says it was deleted" in folded(gone, changed)[0]


def test_rows_come_in_the_order_of_the_database_not_of_their_letters():
    events = [Event(key, n, "create", None, '{"a": 1}') for n, key in enumerate(("9", "10", "b", "A"), 1)]
    found = folded(*(each for made in events for each in (made, row(made.key, '{"a": 2}'))))
    assert found == [
        f"row {key}: a is 2; entry {n} recorded 1" for n, key in enumerate(("9", "10", "b", "A"), 1)
    ]


def test_an_entry_that_holds_no_values_is_named_and_the_row_still_compared():
    made, forged = Event("1", 1, "create", None, '{"a": 1}'), Event("1", 2, "update", None, "7")
    said = "entry 2 about row 1 holds no values to replay"
    assert folded(made, forged, row("1", '{"a": 1}')) == [said]
    assert folded(made, forged, row("1", '{"a": 3}')) == [said, "row 1: a is 3; entry 1 recorded 1"]


def test_an_entry_about_a_row_that_never_was_is_named_by_its_id():
    missing = "row 1: is missing; entry 7 is about it, and no entry says that it was deleted"
    assert folded(Event("1", 7, "update", None, "7"))[1:] == [missing]
    assert folded(Event("1", 7, "update", '{"a": 1}', '{"a": 2}')) == [missing]
    of_all = Event("1", None, "create", None, '{"a": 1}')
    assert folded(of_all) == [missing.replace("entry 7 is about it", "a new database has it")]


@pytest.mark.parametrize("action", ["delete", "revoke", "renamed"])
def test_a_deleted_row_may_be_back_only_by_a_later_bulk_insert(action):
    gone, back = Event("1", 5, action, '{"a": 1}', None), row("1", '{"a": 1}')
    deleted = ["row 1: is in the table; entry 5 says that it was deleted"]
    for last_arrival, said in ((4, deleted), (6, []), (0, deleted)):
        assert (
            folded(gone, back, rules=replace(RULES, may_come_unnamed=True, last_arrival=last_arrival)) == said
        )
    assert folded(gone, back, rules=replace(RULES, last_arrival=6)) == deleted
    assert folded(gone) == []


def test_a_deleted_row_keeps_no_value_and_a_new_one_has_its_own():
    made = Event("1", 1, "create", None, '{"a": 1, "at": "x", "other": 5}')
    gone, again = Event("1", 2, "delete", '{"a": 1}', None), Event("1", 3, "create", None, '{"a": 4}')
    assert folded(made, gone, again, row("1", '{"a": 4, "at": "y", "other": 6}')) == []
    assert folded(made, row("1", '{"a": 1, "at": "x", "other": 6}')) == []


def test_values_follow_a_row_to_its_new_id_and_not_beyond():
    made = Event("1", 1, "create", None, '{"id": "1", "a": 1, "at": "x"}')
    moved = Event("1", 2, "renamed", '{"id": "1"}', '{"id": "2"}')
    came = Event("2", 2, "update", '{"id": "1", "at": "x"}', '{"id": "2", "at": "y"}')
    assert folded(made, moved, came, row("2", '{"a": 1, "at": "y"}')) == []
    assert folded(made, moved, came, row("2", '{"a": 3, "at": "x"}')) == [
        "row 2: a is 3; entry 1 recorded 1",
        'row 2: at is "x"; entry 2 recorded "y"',
    ]


@pytest.mark.parametrize(("old", "new"), [("{}", '{"id": "1"}'), ('{"id": "1"}', "{}")])
def test_an_id_that_only_one_side_of_an_entry_holds_is_no_change_of_id(old, new):
    assert folded(Event("1", 1, "update", old, new), row("1", "{}")) == []


def test_only_a_row_that_an_entry_made_or_changed_may_be_there():
    said = "row 1: is in the table, and no entry says who made it"
    assert folded(row("1", "{}")) == [said]
    assert folded(row("1", "{}"), rules=replace(RULES, may_come_unnamed=True)) == []
    assert folded(Event("1", 1, "update", '{"a": 1}', '{"a": 2}'), row("1", '{"a": 2}')) == []


def test_a_column_without_an_entry_must_have_its_default():
    rules = replace(RULES, defaults={"a": None, "at": "x"})
    ((state, found),) = fold(
        [Event("1", 1, "create", None, '{"a": 1}'), row("1", '{"a": 2, "at": "y"}')], rules
    )
    assert unexplained(state, found, rules) == ['row 1: at is "y"; no entry recorded that']
    assert unexplained(state, {"at": "x"}, rules) == unexplained(state, None, rules) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[1, 107, -2.5, 2.5]", "[1, 107, -2.5, 2.5]"),
        ("[9007199254740991, 1e20, -1e20]", "[9007199254740991, 1e+20, -1e+20]"),
        ("1e400", "1E+400"),
        (f'"{"x" * 78}"', f'"{"x" * 78}"'),
        (f'"{"x" * 79}"', f'"{"x" * 79}…'),
    ],
)
def test_a_value_is_shown_as_json_cut_at_80_characters(value, words):
    values = parsed(f'{{"a": {value}}}')
    assert values is not None and shown(values["a"]) == words


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2026-11-23T12:00:00+00:00", "2026-11-23T21:00:00+09:00", True),
        ("2026-11-23T12:00:00+00:00", "2026-11-23T12:00:01+00:00", False),
        ("infinity", "infinity", True),
        ("infinity", "-infinity", False),
        ("2026-11-23T12:00:00", "2026-11-23T12:00:00+00:00", False),
    ],
)
def test_times_are_the_same_as_moments(one, other, same):
    assert is_same(one, other, is_time=True) is same


def test_numbers_are_the_same_to_fifteen_digits():
    values = parsed('{"a": 0.1, "b": 0.10000000000000001, "c": 0.1000001, "d": 1, "e": true}')
    assert values is not None
    assert is_same(values["a"], values["b"], False) and not is_same(values["a"], values["c"], False)
    assert not is_same(values["d"], values["e"], False)
    assert not is_same(values["e"], values["d"], False)


def test_json_that_nobody_can_read_is_no_object():
    assert parsed("[" * 100_000) is None and parsed("7") is None and parsed(None) == {}


def test_a_state_begins_with_nothing():
    assert Folded("1").is_there is None
