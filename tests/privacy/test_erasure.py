"""Erasure: evidence goes before its row, a text goes from every row, and the audit log does not keep it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.audit import Actor
from anomalies.audit.history import history
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.comments import add
from anomalies.triage.decisions import add_note
from tests.support.factories import make_anomaly, make_user
from tests.support.seals import new_key

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
EVIDENCE = ("baseline_data", "window_data", "detailed_explanation")
JANE = "jane@example.org"


def erase(*given: str) -> str:
    err = io.StringIO()
    call_command("erase", *given, "--by", "keeper", stderr=err)
    return err.getvalue()


def old(**over: Any) -> Anomaly:
    decided = {"status": "dismissed", "dismissed_by": "lead", "dismissal_reason": "other"}
    return make_anomaly(**{"timestamp": LONG_AGO, "detailed_explanation": "long", **decided, **over})


def held(row: Anomaly) -> tuple[Any, ...]:
    row.refresh_from_db()
    return tuple(getattr(row, column) for column in EVIDENCE)


def audit_text() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(audit_log)::text, ' ') FROM audit_log")
        return str(cursor.fetchone()[0])


# --- evidence ---------------------------------------------------------------------------------------------


def test_the_evidence_of_old_decided_anomalies_goes_and_the_rows_stay():
    row, recent, waiting = old(), old(timestamp=datetime.now(UTC)), old(status="pending")
    before = held(recent), held(waiting)
    assert erase("evidence", "--older-than", "90") == "erased the evidence of 1 anomaly\n"
    assert held(row) == (None, None, None)
    assert row.status == "dismissed" and "deadlock" in row.glass_box_explanation
    assert (held(recent), held(waiting)) == before


def test_a_status_takes_open_ones_too():
    row = old(status="pending")
    erase("evidence", "--older-than", "90", "--status", "pending")
    assert held(row) == (None, None, None)


def test_a_dry_run_counts_and_changes_nothing():
    row = old()
    before = held(row)
    assert erase("evidence", "--older-than", "90", "--dry-run") == "would erase the evidence of 1 anomaly\n"
    assert held(row) == before


def test_the_audit_log_says_who_erased_and_keeps_nothing_of_it():
    row = old(window_data=["secret of Jane"])
    erase("evidence", "--older-than", "90")
    entry = AuditLog.objects.get(action="erase")
    assert (entry.username, entry.metadata["erasure"], entry.resource_id) == ("keeper", "evidence", row.pk)
    assert entry.new_values == dict.fromkeys(EVIDENCE)
    assert "Jane" not in audit_text()
    assert history(row.pk)[0].summary.startswith("erased by keeper at ")


def test_any_other_change_of_evidence_is_recorded_with_what_was_there():
    row = old(window_data=["was there"])
    Anomaly.objects.filter(pk=row.pk).update(window_data=None)
    assert AuditLog.objects.get(resource_id=row.pk, action="update").old_values == {
        "window_data": ["was there"]
    }


def test_the_sealed_log_replays_after_an_erasure(settings):
    settings.SEAL_KEY = new_key()
    old(glass_box_explanation=f"{JANE} failed")
    seal()
    erase("evidence", "--older-than", "90")
    erase("text", JANE)
    seal()
    assert verify(replay=True).problems == ()


# --- a text -----------------------------------------------------------------------------------------------


def test_a_text_goes_from_every_column_that_quotes_the_stream_in_any_case():
    said = "mail from Jane@Example.org failed"
    row = make_anomaly(
        glass_box_explanation=said,
        detailed_explanation=said,
        baseline_data=[said],
        window_data=[{"line": 1, "text": said, JANE: 1.50}],
        metadata={"host": "db1", "user": JANE},
        tags=["ok", JANE],
    )
    other = make_anomaly()
    assert erase("text", JANE) == "erased the text from 1 anomaly\n"
    gone = "mail from [erased] failed"
    assert held(row) == ([gone], [{"line": 1, "text": gone, "[erased]": 1.50}], gone)
    assert (row.glass_box_explanation, row.tags) == (gone, ["ok", "[erased]"])
    assert row.metadata == {"host": "db1", "user": "[erased]"}
    assert JANE not in audit_text().lower()
    assert not AuditLog.objects.filter(action="erase", resource_id=other.pk).exists()


@pytest.mark.parametrize("text", ['say "hi"', "back\\slash", "50%", "a_b", "für Änne", "tab\there"])
def test_a_text_is_found_whatever_its_characters(text):
    row = make_anomaly(window_data=[f"x {text} y"])
    make_anomaly(window_data=["x ab 50 y"])
    assert erase("text", text) == "erased the text from 1 anomaly\n"
    row.refresh_from_db()
    assert row.window_data == ["x [erased] y"]


def test_the_search_does_not_find_an_erased_text():
    row = make_anomaly(glass_box_explanation="customer wintermute failed")
    erase("text", "wintermute")
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_document::text FROM anomalies WHERE id = %s", [row.pk])
        assert "wintermute" not in cursor.fetchone()[0]


def test_filters_restrict_what_is_erased():
    row, other = (make_anomaly(window_data=[JANE], metadata={"host": host}) for host in ("db1", "db2"))
    erase("text", JANE, "--host", "db1")
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.window_data, other.window_data) == (["[erased]"], [JANE])


def test_what_people_wrote_is_named_and_stays():
    row, lead = make_anomaly(window_data=[JANE]), make_user("lead")
    add_note(row.pk, Actor(lead.username), f"{JANE} called")
    add(row.pk, f"asked {JANE}", Actor(lead.username))
    assert "the text stays in the notes of 1 anomaly and in 1 comment, which people wrote" in erase(
        "text", JANE
    )
    row.refresh_from_db()
    assert JANE in row.notes


@pytest.mark.parametrize("text", ["ab", "x" * 1001])
def test_a_text_that_is_too_short_or_long_is_refused(text):
    with pytest.raises(CommandError, match="must have 3 to 1,000 characters"):
        erase("text", text)
