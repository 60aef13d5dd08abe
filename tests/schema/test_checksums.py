"""anomalies.schema.checksums: a table's rows in one number."""

from __future__ import annotations

import pytest
from django.db import connection

from anomalies.models import Anomaly
from anomalies.schema.checksums import checksum
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_order_of_the_rows_does_not_matter():
    make_anomaly(ncd_score=0.1), make_anomaly(ncd_score=0.2)
    before = checksum("anomalies")
    run("CREATE TEMP TABLE turned AS SELECT * FROM anomalies ORDER BY ncd_score DESC")
    assert checksum("turned") == before


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM copy WHERE ncd_score = 0.1",
        "INSERT INTO copy SELECT * FROM copy WHERE ncd_score = 0.1",
        "UPDATE copy SET notes = ''",
        "UPDATE copy SET timestamp = timestamp + interval '1 microsecond'",
        "UPDATE copy SET p_value = p_value + 1e-17 WHERE ncd_score = 0.2",
    ],
)
def test_a_changed_row_changes_it(change):
    make_anomaly(ncd_score=0.1), make_anomaly(ncd_score=0.2, p_value=0.01)
    run("CREATE TEMP TABLE copy AS SELECT * FROM anomalies")
    before = checksum("copy")
    run(change)
    assert checksum("copy") != before


def test_it_does_not_depend_on_the_session():
    make_anomaly()
    before = checksum("anomalies")
    run("SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = -5; SET DateStyle = 'German'")
    assert checksum("anomalies") == before


def test_other_columns_can_be_left_out():
    anomaly = make_anomaly()
    before = checksum("anomalies", ["id", "timestamp"])
    Anomaly.objects.filter(pk=anomaly.pk).update(notes="changed")
    assert checksum("anomalies", ["id", "timestamp"]) == before


def test_an_empty_table_has_one_too():
    assert checksum("anomalies").rows == 0
