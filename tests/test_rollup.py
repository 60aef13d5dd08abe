"""The roll-up: figures by the hour that are right whatever is written, and however many write."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from anomalies import rollup
from anomalies.models import Anomaly, AnomalyHour, AnomalyHourDelta, AnomalyTotal

from .factories import NOON, anomaly_values, make_anomaly, other_program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_another_program(db):
    with other_program():
        yield


def run(sql: str, *values: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def seen() -> dict[str, int]:
    """How many there are of each status, as the roll-up has it."""
    rows = run("SELECT status, sum(total)::int FROM anomaly_hours_now GROUP BY 1")
    return {status: found for status, found in rows if found}


def some(count: int, **over) -> None:
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values(**over)) for _ in range(count))


def test_an_insert_is_counted_at_once():
    make_anomaly()
    assert seen() == {"pending": 1}


def test_an_insert_of_many_rows_appends_one_delta_for_each_group():
    some(50)
    assert AnomalyHourDelta.objects.count() == 1


def test_a_decision_moves_a_row_from_one_status_to_the_other():
    some(3)
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(status="dismissed")
    assert seen() == {"pending": 2, "dismissed": 1}


def test_a_write_that_changes_no_figure_appends_nothing():
    make_anomaly()
    before = AnomalyHourDelta.objects.count()
    Anomaly.objects.update(notes="looked at it")
    assert AnomalyHourDelta.objects.count() == before


def test_a_deletion_is_taken_off():
    some(3)
    Anomaly.objects.all().delete()
    assert seen() == {}
    assert rollup.differences() == []


def test_a_truncation_empties_it():
    some(3)
    rollup.fold()
    some(2)
    run("TRUNCATE anomalies")
    assert (AnomalyHour.objects.count(), AnomalyTotal.objects.count(), seen()) == (0, 0, {})


def test_a_truncation_together_with_the_roll_up_empties_it():
    some(3)
    run("TRUNCATE anomaly_hours, anomalies, anomaly_hour_deltas")
    assert seen() == {}
    assert rollup.differences() == []


def test_folding_changes_no_figure():
    some(3)
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(status="dismissed")
    assert rollup.fold() == 3
    assert (seen(), AnomalyHourDelta.objects.count()) == ({"pending": 2, "dismissed": 1}, 0)


def test_what_is_folded_can_be_taken_off_again():
    some(3, ncd_score=0.1, p_value=5e-324)
    rollup.fold()
    Anomaly.objects.update(ncd_score=0.3)
    Anomaly.objects.all().delete()
    rollup.fold()
    assert set(AnomalyTotal.objects.values_list("total", "ncd_sum", "p_sum")) == {(0, 0, 0)}


def test_a_moment_that_never_ends_is_counted_too():
    run("SET LOCAL datestyle = 'ISO'")
    some(2)
    run("UPDATE anomalies SET timestamp = 'infinity' WHERE id = (SELECT id FROM anomalies LIMIT 1)")
    assert rollup.differences() == []


def test_hours_are_those_of_utc_whatever_the_session_s_zone():
    run("SET LOCAL timezone = 'Asia/Kolkata'")
    make_anomaly(timestamp=NOON + timedelta(minutes=59))
    rollup.fold()
    run("SET LOCAL timezone = 'UTC'")
    assert AnomalyHour.objects.get().hour == NOON


def test_a_row_that_is_missing_in_the_roll_up_is_named():
    some(3)
    rollup.fold()
    run("UPDATE anomaly_hours SET total = total + 1")
    assert rollup.differences() == [
        "2026-11-23 12:00:00 UTC, logs pending significant: 1 too many in the roll-up",
        "all hours, logs pending significant: the total is not the sum of the hours",
    ]


def test_a_sum_that_is_wrong_is_named():
    some(3)
    rollup.fold()
    run("UPDATE anomaly_hours SET ncd_sum = ncd_sum + 1e-12")
    assert "the sum of NCD or p is wrong" in rollup.differences()[0]


def test_rebuilding_mends_what_is_wrong():
    some(3)
    rollup.fold()
    run("UPDATE anomaly_hours SET total = total + 1, p_sum = 7")
    run("DELETE FROM anomaly_totals")
    rollup.rebuild()
    assert rollup.differences() == []


def test_a_bulk_decision_after_six_single_ones_stays_linear():
    """A cached plan that joins row by row takes minutes here; a sort takes a second."""
    some(20_000)
    first = list(Anomaly.objects.values_list("pk", flat=True)[:6])
    for pk in first:
        Anomaly.objects.filter(pk=pk).update(status="dismissed")
    run("SET LOCAL statement_timeout = '60s'")
    Anomaly.objects.exclude(pk__in=first).update(status="acknowledged")
    assert seen() == {"acknowledged": 19_994, "dismissed": 6}
