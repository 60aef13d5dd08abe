"""The roll-up of patterns: the counts by status are right, whatever is written."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from anomalies.models import Anomaly, Pattern, PatternDelta, Status
from anomalies.queries import hourly_rollup
from anomalies.queries.patterns import rollup
from tests.support.databases import run
from tests.support.factories import anomaly_values, make_anomaly, other_program

pytestmark = pytest.mark.django_db

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def as_another_program(db):
    with other_program():
        yield


def some(count: int, text: str = "process 1 lost", **over: object) -> None:
    Anomaly.objects.bulk_create(
        Anomaly(**anomaly_values(glass_box_explanation=text, metadata={"service": "web"}, **over))
        for _ in range(count)
    )


def now() -> dict[str, dict[str, int]]:
    """Template to the statuses that are not 0, folded or not."""
    hourly_rollup.fold()
    return {
        each.template: {status: getattr(each, status) for status in Status.values if getattr(each, status)}
        for each in Pattern.objects.all()
    }


def test_an_insert_is_counted_and_described():
    some(3, timestamp=EARLY)
    some(1, "process 22 lost", timestamp=LATE)
    assert now() == {"process # lost": {"pending": 4}}
    [row] = Pattern.objects.values("stream_type", "source", "algorithm", "first_seen", "last_seen")
    assert list(row.values()) == ["logs", "web", 1, EARLY, LATE]


def test_an_insert_of_many_rows_appends_one_delta_for_each_pattern():
    some(50)
    assert PatternDelta.objects.count() == 1


def test_a_pattern_that_is_folded_is_not_described_again():
    some(1)
    hourly_rollup.fold()
    some(1)
    assert PatternDelta.objects.values_list("template", "source").get() == (None, None)


def test_a_decision_moves_a_row_from_one_status_to_the_other():
    some(3)
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(status="dismissed")
    assert now() == {"process # lost": {"pending": 2, "dismissed": 1}}


def test_another_text_moves_a_row_from_one_pattern_to_the_other():
    some(2)
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(glass_box_explanation="found")
    assert now() == {"process # lost": {"pending": 1}, "found": {"pending": 1}}


def test_a_write_that_changes_no_figure_appends_nothing():
    some(2)
    hourly_rollup.fold()
    Anomaly.objects.update(notes="looked at")
    assert not PatternDelta.objects.exists()


def test_an_earlier_time_moves_the_first_one():
    some(1, timestamp=LATE)
    Anomaly.objects.update(timestamp=EARLY)
    assert (now(), rollup.differences()) == ({"process # lost": {"pending": 1}}, [])
    assert Pattern.objects.get().first_seen == EARLY


def test_a_deletion_is_taken_off_and_the_pattern_stays():
    some(2)
    hourly_rollup.fold()
    Anomaly.objects.all().delete()
    assert (now(), rollup.differences()) == ({"process # lost": {}}, [])


@pytest.mark.parametrize("tables", ["anomalies", "anomalies, anomaly_patterns, anomaly_pattern_deltas"])
def test_a_truncation_empties_it(tables):
    some(1)
    hourly_rollup.fold()
    some(1)
    run(f"TRUNCATE {tables}")
    assert not Pattern.objects.exists()
    assert not PatternDelta.objects.exists()


def test_two_that_bring_a_pattern_at_once_append_a_delta_each():
    some(1)
    some(1)
    assert set(PatternDelta.objects.values_list("template", flat=True)) == {"process # lost"}
    assert now() == {"process # lost": {"pending": 2}}


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_a_session_of_any_replication_role_is_counted_once(role):
    run(f"SET LOCAL session_replication_role = {role}")
    make_anomaly(glass_box_explanation="lost")
    Anomaly.objects.update(status="investigating")
    run("SET LOCAL session_replication_role = origin")
    assert (now(), rollup.differences()) == ({"lost": {"investigating": 1}}, [])


@pytest.fixture
def amiss() -> str:
    some(2, timestamp=LATE)
    hourly_rollup.fold()
    run("UPDATE anomaly_patterns SET dismissed = 7, first_seen = last_seen + interval '1 day'")
    return str(Pattern.objects.get().key)


def test_the_check_names_each_figure_that_is_wrong(amiss):
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 differences"):
        call_command("rollup", "check", stdout=out)
    assert out.getvalue().splitlines() == [
        f"pattern {amiss}, dismissed: 7 too many in the roll-up",
        f"pattern {amiss}: an anomaly lies outside its first and last time",
    ]


def test_rebuilding_mends_what_is_wrong(amiss):
    assert (hourly_rollup.rebuild(), hourly_rollup.differences()) == (1, [])
    assert now() == {"process # lost": {"pending": 2}}


def test_rebuilding_describes_a_pattern_that_somebody_removed():
    some(1)
    before = now()
    run("DELETE FROM anomaly_patterns")
    assert (hourly_rollup.rebuild(), now(), hourly_rollup.differences()) == (1, before, [])
