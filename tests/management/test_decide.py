"""Decisions from the command line."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from anomalies.audit import history
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db


def decide(*arguments: str) -> str:
    err = io.StringIO()
    try:
        call_command("decide", *arguments, stderr=err)
    except SystemExit as exit:
        err.write(f"exit {exit.code}")
    return err.getvalue()


def status_of(anomaly) -> str:
    anomaly.refresh_from_db()
    return anomaly.status


def test_an_anomaly_is_decided_by_its_id():
    anomaly = make_anomaly()
    assert decide("dismiss", str(anomaly.pk), "--reason", "other", "--by", "op") == "decided 1, refused 0\n"
    assert status_of(anomaly) == "dismissed"


def test_the_record_names_who_and_the_command():
    anomaly = make_anomaly()
    decide("acknowledge", str(anomaly.pk), "--by", "op", "--note", "seen in the logs")
    entry = history(anomaly.pk)[0]
    assert (entry.username, entry.note) == ("op", "seen in the logs")


def test_all_that_a_filter_names_are_decided():
    wanted, other = make_anomaly(tags=["db"]), make_anomaly(tags=["web"])
    decide("investigate", "--tags-any", "db")
    assert (status_of(wanted), status_of(other)) == ("investigating", "pending")


def test_a_dry_run_changes_nothing_and_says_how_many():
    anomaly = make_anomaly()
    assert "would acknowledge 1" in decide("acknowledge", "--status", "pending", "--dry-run")
    assert status_of(anomaly) == "pending"


def test_refusals_are_listed_and_end_in_exit_status_1():
    anomaly = make_anomaly(status="dismissed", dismissed_by="ana")
    said = decide("acknowledge", str(anomaly.pk))
    assert f"{anomaly.pk}: it is dismissed by ana" in said
    assert said.endswith("decided 0, refused 1\nexit 1")


@pytest.mark.parametrize("arguments", [["acknowledge"], ["dismiss", "--status", "pending"]])
def test_without_ids_and_filters_or_without_a_reason_nothing_is_done(arguments):
    anomaly = make_anomaly()
    with pytest.raises(CommandError) as caught:
        decide(*arguments)
    assert caught.value.returncode == 2
    assert status_of(anomaly) == "pending"
