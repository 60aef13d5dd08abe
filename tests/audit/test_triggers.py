"""The record: what the triggers write, and who they say did it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Func, JSONField

from anomalies.audit import Actor, acting, history
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.thresholds import activate
from anomalies.triage.decisions import add_note, decide
from tests.support.factories import anomaly_values, make_anomaly, other_program

ANA = Actor("ana", "10.0.0.7", via="/admin/")
BOB = Actor("bob")


def sql(statement: str, *values: Any) -> int:
    """Run a statement as another program would; how many rows it touched."""
    with other_program(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def database_user() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        return cursor.fetchone()[0]


def recorded(**which: Any) -> list[AuditLog]:
    """The entries about anomalies and configs, without those that made them."""
    entries = AuditLog.objects.filter(resource_type__in=("anomaly", "detection_config"))
    return list(entries.filter(**which).exclude(action="create").order_by("id"))


def the_entry(**which: Any) -> AuditLog:
    (entry,) = recorded(**which)
    return entry


# --- an anomaly's update --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_update_records_the_old_and_the_new_value_of_what_changed():
    anomaly = make_anomaly(ncd_score=0.7)
    sql("UPDATE anomalies SET ncd_score = 0.8, p_value = p_value WHERE id = %s", anomaly.pk)
    entry = the_entry()
    assert (entry.old_values, entry.new_values) == ({"ncd_score": 0.7}, {"ncd_score": 0.8})


@pytest.mark.django_db
def test_an_update_names_the_anomaly():
    anomaly = make_anomaly()
    sql("UPDATE anomalies SET notes = 'seen'")
    entry = the_entry()
    assert (entry.action, entry.resource_type, entry.resource_id) == ("update", "anomaly", anomaly.pk)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", ["SET status = status", "SET notes = notes, tags = tags", "SET id = id"]
)
def test_an_update_that_changes_nothing_records_nothing(statement):
    make_anomaly(notes="seen")
    assert sql(f"UPDATE anomalies {statement}") == 1
    assert recorded() == []


@pytest.mark.django_db
def test_that_updated_at_moved_is_no_change():
    make_anomaly(updated_at="2026-01-01T00:00Z")
    sql("UPDATE anomalies SET notes = 'seen'")
    assert the_entry().new_values == {"notes": "seen"}


@pytest.mark.django_db
def test_a_value_that_becomes_null_is_recorded_as_null():
    make_anomaly(notes="seen")
    sql("UPDATE anomalies SET notes = NULL")
    entry = the_entry()
    assert (entry.old_values, entry.new_values) == ({"notes": "seen"}, {"notes": None})


@pytest.mark.django_db
def test_an_update_of_many_records_each_anomaly():
    made = {make_anomaly().pk for _ in range(3)}
    sql("UPDATE anomalies SET notes = 'seen'")
    assert {entry.resource_id for entry in recorded()} == made


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "action"),
    [("acknowledged", "acknowledge"), ("dismissed", "dismiss"), ("investigating", "investigate")],
)
def test_a_change_of_status_by_raw_sql_is_recorded_as_the_decision(status, action):
    make_anomaly()
    sql("UPDATE anomalies SET status = %s", status)
    assert the_entry().action == action


@pytest.mark.django_db
def test_back_to_pending_is_recorded_as_a_reopening():
    make_anomaly(status="dismissed")
    sql("UPDATE anomalies SET status = 'pending'")
    assert the_entry().action == "reopen"


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["baseline_data", "window_data"])
def test_a_change_of_the_evidence_is_recorded_with_both_values(column):
    make_anomaly(**{column: ["first"]})
    sql(f"""UPDATE anomalies SET {column} = '["second"]'""")
    entry = the_entry()
    assert (entry.old_values, entry.new_values) == ({column: ["first"]}, {column: ["second"]})


@pytest.mark.django_db
def test_a_change_of_the_detailed_explanation_is_recorded():
    make_anomaly()
    sql("UPDATE anomalies SET detailed_explanation = 'more'")
    assert the_entry().new_values == {"detailed_explanation": "more"}


@pytest.mark.django_db
def test_evidence_and_status_changed_at_once_are_both_recorded():
    make_anomaly()
    sql("UPDATE anomalies SET status = 'investigating', detailed_explanation = 'more'")
    changed = [set(entry.new_values) for entry in recorded()]
    assert sorted(map(sorted, changed)) == [["detailed_explanation"], ["status"]]


@pytest.mark.django_db
def test_evidence_written_again_as_it_was_records_nothing():
    make_anomaly()
    sql("UPDATE anomalies SET window_data = window_data")
    assert recorded() == []


# Words, source and pattern, which triggers make of columns that are compared.
DERIVED = {"search_document", "source", "pattern"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "function", "left_out"),
    [
        ("anomalies", "audit_anomaly_update", DERIVED),
        # These are left to the function above.
        (
            "anomalies",
            "audit_anomalies_updated",
            {"id", "detailed_explanation", "baseline_data", "window_data", *DERIVED},
        ),
        ("detection_config", "audit_config_change", set()),
    ],
)
def test_every_column_but_updated_at_is_compared(table, function, left_out):
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function])
        compared = set(re.findall(r"(?:OLD|former)\.(\w+) IS DISTINCT FROM", cursor.fetchone()[0]))
        columns = {c.name for c in connection.introspection.get_table_description(cursor, table)}
    assert compared == columns - {"updated_at", "version"} - left_out


@pytest.mark.django_db
def test_a_change_of_the_id_is_recorded_once_under_the_new_one_with_what_else_changed():
    anomaly = make_anomaly()
    other = uuid4()
    sql("UPDATE anomalies SET id = %s, notes = 'moved' WHERE id = %s", other, anomaly.pk)
    entry = the_entry()
    assert entry.resource_id == other
    assert entry.old_values == {"id": str(anomaly.pk), "notes": None}
    assert entry.new_values == {"id": str(other), "notes": "moved"}


@pytest.mark.django_db
def test_an_upsert_that_updates_is_recorded_as_an_update():
    anomaly = make_anomaly()
    columns = "timestamp, stream_type, ncd_score, p_value, glass_box_explanation, compression_baseline, "
    columns += "compression_window, compression_combined, confidence_level, baseline_data, window_data"
    sql(
        f"INSERT INTO anomalies (id, {columns}) SELECT id, {columns} FROM anomalies WHERE id = %s"
        " ON CONFLICT (id) DO UPDATE SET notes = 'again'",
        anomaly.pk,
    )
    assert the_entry().new_values == {"notes": "again"}


# --- creating and deleting ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_insert_of_one_anomaly_names_it():
    anomaly = make_anomaly()
    entry = AuditLog.objects.get(action="create")
    assert (entry.resource_id, entry.metadata["rows"]) == (anomaly.pk, 1)


@pytest.mark.django_db
def test_one_insert_of_many_anomalies_is_one_entry_with_their_number():
    rows = [Anomaly(**anomaly_values()) for _ in range(6)]
    Anomaly.objects.bulk_create([*rows, Anomaly(**anomaly_values(status="dismissed"))])
    entry = AuditLog.objects.get(action="create")
    assert (entry.resource_id, entry.old_values, entry.new_values) == (None, None, None)
    assert (entry.metadata["rows"], entry.metadata["decided_on_arrival"]) == (7, 1)


@pytest.mark.django_db
def test_a_copy_of_many_anomalies_is_one_entry_with_their_number():
    values = anomaly_values(baseline_data=None, window_data=None, metadata=None)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY anomalies ({', '.join(values)}) FROM STDIN") as copy,
    ):
        for _ in range(5):
            copy.write_row(list(values.values()))
    assert AuditLog.objects.get(action="create", resource_type="anomaly").metadata["rows"] == 5


@pytest.mark.django_db
def test_an_insert_of_no_anomaly_records_nothing():
    sql("INSERT INTO anomalies SELECT * FROM anomalies")
    assert not AuditLog.objects.filter(resource_type="anomaly").exists()


@pytest.mark.django_db
def test_a_delete_keeps_the_whole_row():
    anomaly = make_anomaly(status="investigating", notes="seen")
    whole = Anomaly.objects.annotate(row=Func("pk", template="to_jsonb(anomalies)", output_field=JSONField()))
    row = whole.get().row
    sql("DELETE FROM anomalies")
    entry = the_entry(action="delete", resource_id=anomaly.pk)
    assert (entry.old_values, entry.new_values) == (row, None)
    assert set(row) == {field.column for field in Anomaly._meta.fields}


# --- a config -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_config_is_recorded_whole():
    config = DetectionConfig.objects.create(ncd_threshold=0.6)
    entry = AuditLog.objects.get(resource_type="detection_config", metadata__id=config.pk)
    assert (entry.action, entry.old_values) == ("create", None)
    assert (entry.new_values["ncd_threshold"], entry.new_values["is_active"]) == (0.6, False)


@pytest.mark.django_db
def test_a_changed_config_is_recorded_by_what_changed():
    config = DetectionConfig.objects.create(window_size=10)
    sql("UPDATE detection_config SET window_size = 20, hop_size = hop_size WHERE id = %s", config.pk)
    entry = the_entry(metadata__id=config.pk)
    assert (entry.action, entry.old_values, entry.new_values) == (
        "update",
        {"window_size": 10},
        {"window_size": 20},
    )


@pytest.mark.django_db
def test_a_config_written_again_as_it_was_records_nothing():
    sql("UPDATE detection_config SET ncd_threshold = ncd_threshold")
    assert recorded() == []


@pytest.mark.django_db
def test_a_deleted_config_is_recorded_whole():
    config = DetectionConfig.objects.create(notes="a try")
    sql("DELETE FROM detection_config WHERE id = %s", config.pk)
    entry = the_entry(metadata__id=config.pk)
    assert (entry.action, entry.old_values["notes"], entry.new_values) == ("delete", "a try", None)


@pytest.mark.django_db
def test_a_switch_of_configs_is_recorded_for_both():
    former, config = DetectionConfig.objects.get(), DetectionConfig.objects.create()
    activate(config.pk, ANA)
    said = [(entry.action, entry.metadata["id"], entry.username) for entry in recorded()]
    assert said == [("deactivate", former.pk, "ana"), ("activate", config.pk, "ana")]


# --- who ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_raw_sql_is_recorded_with_the_databases_user():
    make_anomaly()
    sql("UPDATE anomalies SET status = 'dismissed'")
    entry = the_entry()
    assert (entry.username, entry.metadata["database_user"]) == (database_user(), database_user())
    assert "via" not in entry.metadata


@pytest.mark.django_db
def test_a_change_has_the_name_the_address_and_the_context_of_the_actor():
    make_anomaly()
    with acting(ANA, note="a rollout", batch=7):
        sql("UPDATE anomalies SET notes = 'seen'")
    entry = the_entry()
    assert (entry.username, entry.ip_address) == ("ana", "10.0.0.7")
    said = {"via": "/admin/", "note": "a rollout", "batch": 7}
    assert entry.metadata.items() >= {**said, "database_user": database_user()}.items()


@pytest.mark.django_db
def test_an_actor_of_a_command_has_no_address_and_leaves_nothing_unsaid_behind():
    make_anomaly()
    with acting(BOB, note=None):
        sql("UPDATE anomalies SET notes = 'seen'")
    entry = the_entry()
    assert (entry.username, entry.ip_address) == ("bob", None)
    assert set(entry.metadata) == {"batch", "database_user", "application"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["o'hara", 'a"b\\c', "Ünal 李", "%s", "-- x; DROP TABLE anomalies"])
def test_a_name_is_recorded_letter_by_letter(name):
    make_anomaly()
    with acting(Actor(name), note=name):
        sql("UPDATE anomalies SET notes = 'seen'")
    entry = the_entry()
    assert (entry.username, entry.metadata["note"]) == (name, name)


@pytest.mark.django_db
def test_an_address_of_version_6_is_recorded():
    make_anomaly()
    with acting(Actor("ana", "2001:db8::1")):
        sql("UPDATE anomalies SET notes = 'seen'")
    assert the_entry().ip_address == "2001:db8::1"


@pytest.mark.django_db
def test_the_context_cannot_pass_for_the_number_of_rows():
    with acting(ANA, rows=1_000_000):
        make_anomaly()
    assert AuditLog.objects.get(action="create", resource_type="anomaly").metadata["rows"] == 1


@pytest.mark.django_db
def test_after_acting_raw_sql_is_the_databases_users_again():
    make_anomaly()
    with acting(ANA):
        pass
    sql("UPDATE anomalies SET notes = 'seen'")
    assert the_entry().username == database_user()


@pytest.mark.django_db
def test_inside_another_the_inner_actor_holds_and_then_the_outer_one_again():
    make_anomaly()
    with acting(ANA, note="outer"):
        with acting(BOB):
            sql("UPDATE anomalies SET notes = 'by bob'")
        sql("UPDATE anomalies SET notes = 'by ana'")
    said = [(entry.username, entry.ip_address, entry.metadata.get("note")) for entry in recorded()]
    assert said == [("bob", None, None), ("ana", "10.0.0.7", "outer")]


@pytest.mark.django_db
def test_an_inner_actor_that_fails_gives_way_to_the_outer_one():
    make_anomaly()
    with acting(ANA):
        with pytest.raises(ZeroDivisionError), acting(BOB):
            sql("UPDATE anomalies SET notes = %s", str(1 / 0))
        sql("UPDATE anomalies SET notes = 'by ana'")
    assert the_entry().username == "ana"


@pytest.mark.django_db
def test_what_is_rolled_back_leaves_no_record():
    make_anomaly()
    with pytest.raises(ZeroDivisionError), acting(ANA):
        sql("UPDATE anomalies SET notes = 'seen'")
        raise ZeroDivisionError
    assert recorded() == []


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_next_transaction_of_the_connection_knows_of_no_actor():
    make_anomaly()
    with acting(ANA):
        sql("UPDATE anomalies SET notes = 'by ana'")
    sql("UPDATE anomalies SET notes = 'by nobody'")
    said = [entry.username for entry in recorded(resource_type="anomaly")]
    assert said == ["ana", database_user()]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_after_a_rollback_the_connection_knows_of_no_actor():
    make_anomaly()
    with pytest.raises(ZeroDivisionError), acting(ANA):
        raise ZeroDivisionError
    with transaction.atomic():
        sql("UPDATE anomalies SET notes = 'by nobody'")
    assert the_entry(resource_type="anomaly").username == database_user()


# --- the history of one anomaly -------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_history_tells_a_decision_with_its_reason_and_note():
    anomaly = make_anomaly()
    decide("dismiss", [anomaly.pk], ANA, reason="false_positive", note="a rollout")
    entry = history(anomaly.pk)[0]
    assert (entry.username, entry.address, entry.action) == ("ana", "10.0.0.7", "dismiss")
    assert (entry.old_status, entry.new_status) == ("pending", "dismissed")
    assert (entry.reason, entry.reason_words, entry.note) == ("false_positive", "false positive", "a rollout")


@pytest.mark.django_db
def test_what_an_entry_says_itself_is_not_repeated_as_a_change():
    anomaly = make_anomaly()
    decide("dismiss", [anomaly.pk], ANA, reason="other", note="a rollout")
    entry = history(anomaly.pk)[0]
    assert entry.changes == {"notes": (None, "a rollout")}
    assert entry.changed_columns == ""


@pytest.mark.django_db
def test_a_change_by_raw_sql_is_described_by_its_columns():
    anomaly = make_anomaly(notes="seen")
    sql("UPDATE anomalies SET tags = '{db,eu}', notes = NULL")
    entry = history(anomaly.pk)[0]
    assert entry.changes == {"notes": ("seen", None), "tags": (["db"], ["db", "eu"])}
    assert entry.changed_columns == "notes, tags"


@pytest.mark.django_db
def test_the_history_is_newest_first_down_to_the_creation():
    anomaly = make_anomaly()
    decide("investigate", [anomaly.pk], ANA)
    add_note(anomaly.pk, BOB, "looks real")
    decide("acknowledge", [anomaly.pk], ANA)
    shown = [entry.action for entry in history(anomaly.pk)]
    assert shown == ["acknowledge", "update", "investigate", "create"]


@pytest.mark.django_db
def test_the_history_is_no_longer_than_asked():
    anomaly = make_anomaly()
    for note in ("one", "two", "three"):
        add_note(anomaly.pk, ANA, note)
    assert [entry.note for entry in history(anomaly.pk, limit=2)] == ["three", "two"]


@pytest.mark.django_db
def test_the_history_of_one_anomaly_is_silent_about_another():
    anomaly, other = make_anomaly(), make_anomaly()
    add_note(other.pk, ANA, "seen")
    assert [entry.action for entry in history(anomaly.pk)] == ["create"]


@pytest.mark.django_db
def test_an_unknown_anomaly_has_no_history():
    assert history(uuid4()) == []


@pytest.mark.django_db
def test_the_database_user_is_recorded_whatever_the_context_claims():
    anomaly = make_anomaly()
    with acting(ANA, database_user="somebody"):
        sql("UPDATE anomalies SET ncd_score = 0.9 WHERE id = %s", anomaly.pk)
    assert the_entry().metadata["database_user"] == database_user()
