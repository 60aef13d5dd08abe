"""Entries of the audit log in words, and what changed of a row since somebody saw it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from anomalies.audit import (
    Actor,
    acting,
    differences,
    entries_since,
    is_made,
    was_stored,
    with_last_entry,
)
from anomalies.audit.events import keepable
from anomalies.audit.history import Entry, done_by, resource_types
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from tests.support.databases import run
from tests.support.factories import make_anomaly

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANA = Actor("ana")


def entry(action: str = "update", reason: str | None = None, note: str | None = None, **values) -> Entry:
    return Entry(1, None, NOON, "ana", None, action, None, None, reason, note, values)


# --- in words ---------------------------------------------------------------------------------------------


def test_of_several_entries_the_span_of_their_times_is_said():
    assert done_by("dismiss", None, "ana", NOON) == "dismissed by ana at 2026-01-01 12:00:00 UTC"
    assert done_by("dismiss", None, "ana", NOON, NOON) == done_by("dismiss", None, "ana", NOON)
    later = done_by("update", "tags", "ana", NOON, NOON + timedelta(seconds=1))
    assert later == "tags changed by ana between 2026-01-01 12:00:00 UTC and 2026-01-01 12:00:01 UTC"


@pytest.mark.parametrize(
    "column",
    ["status", "dismissal_reason", "dismissed_by", "investigating_at", *Anomaly.ASSIGNMENT, *Anomaly.SNOOZE],
)
def test_what_other_fields_show_is_no_further_change(column):
    assert entry(**{column: (None, "x"), "tags": ([], ["a"])}).changes == {"tags": ([], ["a"])}


def test_of_a_note_that_is_shown_the_column_is_not_named():
    changed = {"metadata": ({}, {"a": 1}), "notes": ("", "n"), "tags": ([], ["a"])}
    assert entry(note="n", **changed).changed_columns == "metadata, tags"
    assert entry(**changed).changed_columns == "metadata, notes, tags"


@pytest.mark.parametrize(
    ("reason", "words"),
    [("false_positive", "false positive"), ("of_a_former_version", "of_a_former_version"), (None, None)],
)
def test_a_reason_is_said_by_its_label(reason, words):
    assert entry(reason=reason).reason_words == words


def test_an_assignment_says_to_whom():
    assert entry(assigned_to=("ben", "cleo")).assigned_to == "cleo"
    assert (entry(assigned_to=("ben", None)).assigned_to, entry().assigned_to) == (None, None)


@pytest.mark.parametrize(
    ("action", "before", "after", "ends"),
    [
        ("dismiss", "then", None, True),
        ("wake", "then", None, False),
        ("snooze", "then", "now", False),
        ("snooze", None, "now", False),
        ("dismiss", None, None, False),
    ],
)
def test_a_decision_ends_a_snooze_where_there_was_one(action, before, after, ends):
    assert entry(action, snoozed_at=(before, after)).ends_snooze is ends


@pytest.mark.parametrize(("text", "kept"), [("x" * 256, "x" * 255), ("a\0b", "a\ufffdb"), ("\ud800", "?")])
def test_a_text_from_outside_is_kept_as_the_database_can_store_it(text, kept):
    assert keepable(text) == kept


@pytest.mark.django_db
def test_the_resource_types_are_those_that_have_entries():
    make_anomaly()
    types = sorted(set(AuditLog.objects.values_list("resource_type", flat=True)))
    assert "anomaly" in types and resource_types() == types


@pytest.mark.django_db
def test_the_entries_of_a_config_are_found_by_its_number():
    config = DetectionConfig.objects.get(is_active=True)
    with acting(ANA):
        DetectionConfig.objects.filter(pk=config.pk).update(ncd_threshold=0.123)
    (changed,) = entries_since("detection_config", config.pk, None, 1)
    assert changed.values["ncd_threshold"][1] == 0.123
    assert entries_since("detection_config", 10**6, None, 1) == []


# --- what changed since -----------------------------------------------------------------------------------


def test_differences_are_from_before_the_first_to_after_the_last_change():
    newest_first = [entry(tags=(2, 3), notes=("b", "a"), p=(9, 0)), entry(tags=(1, 2), notes=("a", "b"))]
    assert differences(newest_first) == {"tags": (1, 3), "p": (9, 0)}


@pytest.mark.django_db
def test_entries_since_are_those_after_the_seen_one_or_the_last_versions():
    anomaly = make_anomaly()
    for number in range(3):
        with acting(ANA):
            Anomaly.objects.filter(pk=anomaly.pk).update(notes=f"{number}")
    all_of_them = entries_since("anomaly", anomaly.pk, None, 9)
    assert [each.values["notes"][1] for each in all_of_them[:3]] == ["2", "1", "0"]
    assert entries_since("anomaly", anomaly.pk, None, 2) == all_of_them[:2]
    assert (
        entries_since("anomaly", anomaly.pk, None, 0) == entries_since("anomaly", anomaly.pk, None, -1) == []
    )
    assert entries_since("anomaly", anomaly.pk, all_of_them[1].id, 0) == all_of_them[:1]


@pytest.mark.django_db
def test_a_row_comes_with_the_id_of_the_last_entry_about_it():
    seen, other = make_anomaly(), make_anomaly()
    with acting(ANA):
        Anomaly.objects.filter(pk=seen.pk).update(notes="x")
    last = AuditLog.objects.filter(resource_id=seen.pk).latest("id").pk
    rows = with_last_entry(Anomaly.objects.all(), "anomaly")
    assert dict(rows.values_list("pk", "last_entry"))[seen.pk] == last
    assert rows.get(pk=other.pk).last_entry < last


@pytest.mark.django_db
def test_a_batch_was_stored_where_an_anomaly_has_an_entry_of_it_or_anything_within_the_hour():
    anomaly, batch = make_anomaly(), uuid4()
    assert not was_stored(batch)
    with acting(ANA, batch=str(batch)):
        Anomaly.objects.filter(pk=anomaly.pk).update(notes="x")
    assert was_stored(batch) and not was_stored(uuid4())


@pytest.mark.django_db
def test_an_anomalys_entry_of_any_time_shows_that_its_batch_was_stored():
    batch = uuid4()
    run(
        "INSERT INTO audit_log (timestamp, username, action, resource_type, resource_id, metadata) "
        "VALUES (now() - interval '1 day', 'ana', 'update', 'anomaly', %s, "
        "jsonb_build_object('batch', %s::text))",
        uuid4(),
        str(batch),
    )
    assert was_stored(batch)


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "is_so"), [(1, True), (59, True), (61, False)])
def test_what_is_no_anomaly_was_stored_within_the_last_hour(minutes, is_so):
    batch = uuid4()
    run(
        "INSERT INTO audit_log (timestamp, username, action, resource_type, metadata) "
        "VALUES (now() - make_interval(mins => %s), 'ana', 'update', 'user', "
        "jsonb_build_object('batch', %s::text))",
        minutes,
        str(batch),
    )
    assert AuditLog.objects.filter(metadata__batch=str(batch)).exists()
    assert was_stored(batch) is is_so


@pytest.mark.django_db
def test_a_row_is_made_by_its_batch_and_user():
    batch = uuid4()
    with acting(ANA, batch=str(batch)):
        make_anomaly()
    assert is_made("anomaly", batch, "ana")
    assert not is_made("anomaly", batch, "ben") and not is_made("anomaly", uuid4(), "ana")
