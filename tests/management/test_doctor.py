"""``manage.py doctor``: rows that other programs wrote and the desk's rules would not have made."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly, other_program

pytestmark = pytest.mark.django_db


def doctor(capsys, *options: str) -> tuple[int, str]:
    code = 0
    try:
        call_command("doctor", *options)
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


def raw_update(pk, values: str) -> None:
    """Write a decision as a program in another language does."""
    with other_program(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE anomalies SET {values} WHERE id = %s", [pk])


def test_it_finds_nothing_in_what_the_desk_decided(capsys):
    decide("dismiss", [make_anomaly().pk], Actor("ana", via="test"), reason="duplicate")
    assert doctor(capsys) == (0, "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("status = 'dismissed', dismissed_by = 'x', dismissed_at = now()", "dismissed without a reason"),
        ("status = 'dismissed', dismissal_reason = 'other', dismissed_at = now()", "dismissed by nobody"),
        ("status = 'acknowledged', acknowledged_by = '', acknowledged_at = now()", "acknowledged by nobody"),
        ("status = 'investigating', investigating_by = 'x'", "investigating at no time"),
    ],
)
def test_it_names_a_row_that_lacks_something(capsys, values, words):
    anomaly = make_anomaly()
    raw_update(anomaly.pk, values)
    code, said = doctor(capsys)
    assert code == 1 and f"1 {words}" in said and str(anomaly.pk) in said


def test_of_many_it_counts_all_and_shows_the_newest(capsys):
    for _ in range(12):
        raw_update(make_anomaly().pk, "status = 'dismissed', dismissed_by = 'x', dismissed_at = now()")
    (found,) = map(json.loads, doctor(capsys, "--json")[1].splitlines())
    assert (found["count"], len(found["ids"])) == (12, 10)


# --- doctor contradictions ----------------------------------------------------------------------------------


@pytest.fixture
def opposed(db):
    """Two decisions about one pattern that contradict each other."""
    real, harmless = (
        make_anomaly(created_at=NOON, glass_box_explanation=f"process {n} lost").pk for n in range(2)
    )
    decide("acknowledge", [real], Actor("ana"))
    decide("dismiss", [harmless], Actor("bo"), reason="duplicate")
    return real, harmless


def test_without_contradictions_it_prints_nothing(capsys):
    decide("dismiss", [make_anomaly().pk], Actor("ana"), reason="duplicate")
    assert doctor(capsys, "contradictions") == (0, "")


def test_a_contradiction_is_listed_with_both_sides_and_the_next_step(capsys, opposed):
    code, said = doctor(capsys, "contradictions")
    assert code == 1
    for part in (
        "db1, logs: process # lost",
        f"1 acknowledged by ana; last {timezone.now():%Y-%m-%d}",
        "1 dismissed (duplicate) by bo",
        *(f"anomaly {key}" for key in opposed),
        "/admin/anomalies/anomaly/?pattern=",
        "manage.py decide reopen --pattern",
    ):
        assert part in said


def test_a_dismissal_that_lacks_a_reason_or_a_name_is_listed_with_its_id(capsys):
    anomaly = make_anomaly()
    raw_update(anomaly.pk, "status = 'dismissed', dismissed_at = now()")
    code, said = doctor(capsys, "contradictions")
    assert code == 1 and said.startswith(f"{anomaly.pk} dismissed without a reason and a name")
    assert f"manage.py decide reopen {anomaly.pk}" in said


def test_as_json_each_finding_is_an_object_of_its_kind(capsys, opposed):
    raw_update(make_anomaly().pk, "status = 'dismissed', dismissed_by = 'x'")
    found = [json.loads(line) for line in doctor(capsys, "contradictions", "--json")[1].splitlines()]
    assert [each["kind"] for each in found] == ["contradiction", "dismissal"]
    assert [side["anomaly"] for side in found[0]["sides"]] == [str(key) for key in opposed]
    assert found[1]["lacks"] == ["a reason"]


def test_since_a_time_leaves_out_what_was_decided_before(capsys, opposed):
    raw_update(make_anomaly().pk, "status = 'dismissed'")
    assert doctor(capsys, "contradictions", "--since", "2100-01-01") == (0, "")
    assert doctor(capsys, "contradictions", "--since", "2026-01-01T00:00")[0] == 1


def test_of_more_than_the_most_it_says_that_there_are_more(capsys):
    for _ in range(3):
        raw_update(make_anomaly().pk, "status = 'dismissed'")
    with pytest.raises(SystemExit):
        call_command("doctor", "contradictions", "--most", "2")
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert "contradictions: 0; dismissals that lack a reason or a name: 2+ (--most lists more)" in said.err


@pytest.mark.parametrize(
    "options",
    [("--since", "2026-01-01"), ("contradictions", "--since", "soon"), ("contradictions", "--most", "0")],
)
def test_wrong_usage_is_refused(options):
    with pytest.raises(CommandError):
        call_command("doctor", *options)
