"""The roll-up: figures by the hour that are right whatever is written, and however many write."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from anomalies.models import Anomaly, AnomalyHour, AnomalyHourDelta, AnomalyTotal
from anomalies.queries import hourly_rollup
from tests.support.databases import run
from tests.support.factories import NOON, anomaly_values, make_anomaly, other_program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_another_program(db):
    with other_program():
        yield


def seen() -> dict[str, int]:
    """The number of anomalies by status in the roll-up."""
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
    assert hourly_rollup.differences() == []


def test_a_truncation_empties_it():
    some(3)
    hourly_rollup.fold()
    some(2)
    run("TRUNCATE anomalies")
    assert (AnomalyHour.objects.count(), AnomalyTotal.objects.count(), seen()) == (0, 0, {})


def test_a_truncation_together_with_the_roll_up_empties_it():
    some(3)
    run("TRUNCATE anomaly_hours, anomalies, anomaly_hour_deltas")
    assert seen() == {}
    assert hourly_rollup.differences() == []


def test_folding_changes_no_figure():
    some(3, tags=[])
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(status="dismissed")
    assert hourly_rollup.fold() == 5  # three of hours, two of the pattern
    assert (seen(), AnomalyHourDelta.objects.count()) == ({"pending": 2, "dismissed": 1}, 0)


def test_what_is_folded_can_be_taken_off_again():
    some(3, ncd_score=0.1, p_value=5e-324)
    hourly_rollup.fold()
    Anomaly.objects.update(ncd_score=0.3)
    Anomaly.objects.all().delete()
    hourly_rollup.fold()
    assert set(AnomalyTotal.objects.values_list("total", "ncd_sum", "p_sum")) == {(0, 0, 0)}


def test_a_moment_that_never_ends_is_counted_too():
    run("SET LOCAL datestyle = 'ISO'")
    some(2)
    run("UPDATE anomalies SET timestamp = 'infinity' WHERE id = (SELECT id FROM anomalies LIMIT 1)")
    assert hourly_rollup.differences() == []


def test_hours_are_those_of_utc_whatever_the_session_s_zone():
    run("SET LOCAL timezone = 'Asia/Kolkata'")
    make_anomaly(timestamp=NOON + timedelta(minutes=59))
    hourly_rollup.fold()
    run("SET LOCAL timezone = 'UTC'")
    assert AnomalyHour.objects.get().hour == NOON


def test_a_row_that_is_missing_in_the_roll_up_is_named():
    some(3)
    hourly_rollup.fold()
    run("UPDATE anomaly_hours SET total = total + 1")
    assert hourly_rollup.differences() == [
        "2026-11-23 12:00:00 UTC, logs pending significant: 1 too many in the roll-up",
        "all hours, logs pending significant: the total is not the sum of the hours",
    ]


def test_a_sum_that_is_wrong_is_named():
    some(3)
    hourly_rollup.fold()
    run("UPDATE anomaly_hours SET ncd_sum = ncd_sum + 1e-12")
    assert "the sum of NCD or p is wrong" in hourly_rollup.differences()[0]


def test_rebuilding_mends_what_is_wrong():
    some(3)
    hourly_rollup.fold()
    run("UPDATE anomaly_hours SET total = total + 1, p_sum = 7")
    run("DELETE FROM anomaly_totals")
    hourly_rollup.rebuild()
    assert hourly_rollup.differences() == []


def test_a_bulk_decision_after_six_single_ones_stays_linear():
    """A cached plan that joins row by row takes minutes here; a sort takes a second."""
    some(20_000)
    first = list(Anomaly.objects.values_list("pk", flat=True)[:6])
    for pk in first:
        Anomaly.objects.filter(pk=pk).update(status="dismissed")
    run("SET LOCAL statement_timeout = '60s'")
    Anomaly.objects.exclude(pk__in=first).update(status="acknowledged")
    assert seen() == {"acknowledged": 19_994, "dismissed": 6}


# --- who reads it -----------------------------------------------------------------------------------------


def stats(*arguments: str) -> list[dict]:
    out = io.StringIO()
    call_command("stats", "--format", "json", *arguments, stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


@pytest.fixture
def mixed():
    """Rows of every kind in several hours, some folded and some not."""
    for number in range(120):
        make_anomaly(
            timestamp=NOON + timedelta(minutes=7 * number),
            stream_type=("logs", "llm", "traces")[number % 3],
            status=("pending", "acknowledged", "dismissed", "investigating")[number % 4],
            is_statistically_significant=number % 5 == 0,
            ncd_score=number / 130,
            p_value=10.0**-number,
        )
        if number == 70:
            hourly_rollup.fold()


def numbers(rows: list[dict]) -> dict[tuple[str, str], float]:
    """The figures that there are, by stream and name."""
    return {
        (row["stream_type"], name): value
        for row in rows
        for name, value in row.items()
        if isinstance(value, int | float)
    }


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "--stream logs",
        "--status pending --status dismissed",
        "--significant true --stream llm",
        "--since 2026-11-23T13:00:00Z",
        "--until 2026-11-23T15:20:00Z",
        "--since 2026-11-23T12:20:30Z --until 2026-11-23T16:10:00Z --significant false",
        "--since 2026-11-23T13:10:00Z --until 2026-11-23T13:40:00Z",
        "--since 2026-11-23T13:10:00Z --until 2026-11-23T14:00:00Z",
        "--since 2026-11-23T15:00:00Z --until 2026-11-23T13:00:00Z",
    ],
)
def test_the_roll_up_and_the_table_give_the_same_figures(mixed, asked):
    rolled_up, exact = numbers(stats(*asked.split())), numbers(stats("--exact", *asked.split()))
    assert rolled_up == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("view", ["anomaly_stats_by_stream_now", "anomaly_stats_by_stream"])
def test_the_view_over_the_roll_up_is_the_contract_s_view(mixed, view):
    columns = (
        "SELECT stream_type, total_anomalies, significant_anomalies, round(avg_ncd_score::numeric, 12), "
    )
    columns += "pending_count, acknowledged_count, dismissed_count, investigating_count FROM "
    assert run(f"{columns} {view} ORDER BY 1") == run(f"{columns} anomaly_stats_by_stream ORDER BY 1")


def test_statistics_do_not_touch_the_table(mixed, django_assert_max_num_queries):
    with django_assert_max_num_queries(5) as queries:
        stats()
    reading = [query["sql"] for query in queries if "FROM anomalies" in query["sql"]]
    assert all("LIMIT 10000" in sql for sql in reading)


def test_a_filter_that_the_roll_up_does_not_know_reads_the_table(mixed):
    run("UPDATE anomaly_totals SET total = 7000")
    assert sum(row["total_anomalies"] for row in stats("--ncd-min", "0")) == 120


def test_as_long_as_old_rows_are_not_counted_the_table_is_read(mixed):
    run("INSERT INTO anomaly_hour_deltas VALUES (DEFAULT, NULL, '', '', false, 0, 0, 0)")
    run("DELETE FROM anomaly_totals")
    assert sum(row["total_anomalies"] for row in stats()) == 120
    assert run("SELECT sum(total_anomalies)::int FROM anomaly_stats_by_stream_now") == [(120,)]


def test_the_page_of_statistics_shows_what_the_roll_up_has(client, viewer):
    client.force_login(viewer)
    make_anomaly(ncd_score=0.375)
    page = client.get(reverse("admin:anomalies_streamstatistics_changelist"))
    assert b'<td class="field-average_ncd">0.375</td>' in page.content


# --- the command ------------------------------------------------------------------------------------------


def roll_up(*arguments: str) -> tuple[str, str]:
    out, talk = io.StringIO(), io.StringIO()
    call_command("rollup", *arguments, stdout=out, stderr=talk)
    return out.getvalue(), talk.getvalue()


def test_the_check_passes_where_all_agrees(mixed):
    assert roll_up("check") == ("", "No differences from the table.\n")


def test_the_check_fails_and_names_the_way_out(mixed):
    run("UPDATE anomaly_hours SET total = 3")
    with pytest.raises(CommandError, match="rollup rebuild") as caught:
        roll_up("check")
    assert caught.value.returncode == 1


def test_the_rebuild_says_how_much_was_wrong(mixed):
    run("DELETE FROM anomaly_hours WHERE hour = (SELECT min(hour) FROM anomaly_hours)")
    assert "Rebuilt; 9 figures were wrong." in roll_up("rebuild")[1]
    assert roll_up("check")[0] == ""


def test_folding_says_how_many():
    make_anomaly(tags=[])
    assert roll_up("fold")[1] == "2 deltas folded.\n"
    run("INSERT INTO anomaly_tag_deltas (tag, stream_type, status, total) VALUES ('a', 'logs', 'pending', 0)")
    assert roll_up("fold")[1] == "1 delta folded.\n"
