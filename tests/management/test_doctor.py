"""``manage.py doctor``: rows that other programs wrote and the desk's rules would not have made."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import connection

from anomalies.audit import Actor
from anomalies.triage.decisions import decide
from tests.support.factories import make_anomaly, other_program

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
