"""Bounds for JSON and tags: what `ingest` takes, and what the table takes from anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import decide
from tests.support.factories import make_anomaly, other_program

COLUMNS = ("baseline_data", "window_data", "metadata")


def nested(levels: int, opened: str = "[", closed: str = "]") -> str:
    return opened * levels + closed * levels


def insert(**values: str) -> None:
    """A row as another program inserts it."""
    named = {"timestamp": "now()", "stream_type": "logs", "ncd_score": "0.5", "p_value": "0.01"}
    named |= dict.fromkeys(("compression_baseline", "compression_window", "compression_combined"), "0.5")
    named |= {"confidence_level": "0.99", "glass_box_explanation": "x", **values}
    with connection.cursor() as cursor:
        places = ", ".join(["%s"] * len(named))
        cursor.execute(f"INSERT INTO anomalies ({', '.join(named)}) VALUES ({places})", [*named.values()])


@pytest.mark.django_db
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "value",
    [nested(65), nested(1500), nested(65, '{"a":', "}").replace(":}", ":1}"), "1" + "0" * 5000, "[-1e4001]"],
)
def test_the_table_refuses_json_that_readers_cannot_hold(column, value):
    with pytest.raises(IntegrityError, match=f"anomalies_{column}_limits"), transaction.atomic():
        insert(**{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value", [nested(64), "9" * 4000, '"' + "[" * 500 + '"', "null", json.dumps([{}] * 500)]
)
def test_the_table_takes_what_readers_can_hold(value):
    insert(window_data=value)
    assert Anomaly.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("tags", [["t"] * 1001, ["x" * 300_000]])
def test_the_table_refuses_tags_without_end(tags):
    with pytest.raises(IntegrityError, match="anomalies_tags_limits"), transaction.atomic():
        insert(tags=tags)


@pytest.mark.django_db
@pytest.mark.parametrize("value", [nested(1500), "1" + "0" * 5000])
def test_an_old_row_beyond_the_bounds_is_shown_and_decided_about(client, analyst, value):
    anomaly = make_anomaly()
    with other_program(), connection.cursor() as cursor:
        cursor.execute("UPDATE anomalies SET window_data = %s, metadata = %s", [value, value])
    client.force_login(analyst)
    for page in ("", f"{anomaly.pk}/change/"):
        assert client.get(f"/admin/anomalies/anomaly/{page}").status_code == 200
    assert decide("dismiss", [anomaly.pk], Actor("ana"), reason="other").decided == (anomaly.pk,)


# --- what ingest takes ------------------------------------------------------------------------------------


def reason(**over: Any) -> str:
    from anomalies.ingest.rows import read_row
    from anomalies.ingest.validation_errors import Misfit
    from tests.support.factories import anomaly_values

    values = {**anomaly_values(), "timestamp": "2026-01-01T00:00:00Z", **over}
    try:
        read_row(json.dumps(values).encode())
    except Misfit as misfit:
        return f"{misfit.field} {misfit.reason}"
    return ""


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"tags": ["t"] * 101}, "tags are 101; the limit is 100"),
        (
            {"tags": ["x" * 201]},
            "tags hold one of 201 characters; the limit is 200",
        ),
        (
            {"window_data": "x" * (8 << 20)},
            "window_data has 8,388,610 bytes of JSON; the limit is 8,388,608",
        ),
        (
            {"metadata": json.loads(nested(200))},
            "metadata is nested more than 64 levels deep; flatten it or make the rest a text",
        ),
    ],
)
def test_what_is_beyond_a_setting_is_refused_with_the_setting(over, words):
    assert reason(**over).partition(" (")[0] == words


def test_a_setting_moves_the_limit(settings):
    settings.INGEST_MAX_TAGS = 200
    assert reason(tags=["t"] * 101) == ""


COPY = {
    "id": "0192b1b0-0000-8000-8000-000000000001",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}


def test_a_copy_of_a_row_that_a_table_held_keeps_to_the_tables_limits():
    assert reason(tags=["t"] * 101, **COPY) == ""
    assert reason(tags=["t"] * 1001, **COPY).startswith("tags are 1,001; the limit is 1,000")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite_are_taken_of_a_copy_alone(text):
    assert reason(compression_window=text, **COPY) == ""
    assert reason(ncd_score=text, **COPY).startswith("ncd_score must be a number")
    assert reason(compression_window=text).startswith("compression_window must be a number")


def test_a_column_that_a_copy_names_twice_is_refused():
    from anomalies.ingest.rows import read_row
    from anomalies.ingest.validation_errors import Misfit

    line = json.dumps({**COPY, "novelty": "NaN"})[:-1] + ', "novelty": 1}'
    with pytest.raises(Misfit, match="there twice"):
        read_row(line.encode())
