"""Durations are summed up in the process, stored as rows, and read as rates, errors and percentiles."""

from __future__ import annotations

import os
import random
import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.models import PerformanceMetric
from anomalies.queries.performance import report as reports
from anomalies.queries.performance import timings as module
from anomalies.queries.performance.report import report
from anomalies.queries.performance.timings import FACTOR, Timings, forget_old, middle_of, part_of, store_run
from anomalies.web.request_timing import TimingMiddleware, timings
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db


def of_last_hour():
    now = timezone.now()
    return report(now - timedelta(hours=1), now + timedelta(minutes=1))


def the(kind="request"):
    (one,) = of_last_hour().of(kind)
    return one


def test_a_part_stands_for_durations_within_an_eighth_of_it():
    for seconds in (0.0011, 0.017, 0.25, 3.0, 600.0):
        assert 1 / 1.125 < middle_of(part_of(seconds)) / seconds < 1.125
    assert part_of(0) == part_of(0.001) == 0
    assert part_of(1e9) == module.PARTS - 1


def test_durations_of_several_processes_are_one_name_with_its_percentiles():
    draw = random.Random(1)
    drawn = [draw.expovariate(1 / 0.05) for _ in range(2_000)]
    for own in (drawn[:700], drawn[700:]):
        one = Timings(in_background=False)
        for seconds in own:
            one.add("request", "GET /x", seconds)
        one.store()
    found, drawn = the(), sorted(drawn)
    assert found.count == 2_000 and PerformanceMetric.objects.count() == 2
    assert found.longest == pytest.approx(drawn[-1], abs=0.001)
    for share in (0.5, 0.95):
        assert found.percentile(share) == pytest.approx(drawn[int(share * 2_000) - 1], rel=FACTOR - 1)


def test_failures_are_counted_with_the_newest_error():
    one = Timings(in_background=False)
    for error in ("", "first", "second"):
        one.add("job", "otlp", 0.1, error)
    one.store()
    found = the("job")
    assert (found.count, found.failed, found.error) == (3, 2, "second")
    assert not PerformanceMetric.objects.get().success


def test_rows_are_written_when_they_are_due_and_then_more_seldom(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    one, rows = Timings(in_background=False), []
    for clock[0] in range(1_000):
        one.add("job", "fold", 0.001)
        rows.append(PerformanceMetric.objects.count())
    times = [second for second in range(1, 1_000) if rows[second] > rows[second - 1]]
    assert times == [10, 30, 70, 150, 310, 610, 910]


def test_names_in_a_process_are_bounded():
    one = Timings(in_background=False)
    for number in range(module._MOST + 5):
        one.add("request", f"GET /{number}", 0.1)
    one.store()
    assert PerformanceMetric.objects.count() == module._MOST


def test_a_database_that_takes_no_row_costs_the_figures_only(monkeypatch):
    def refuse(rows):
        raise DatabaseError("read-only")

    one = Timings(in_background=False)
    one.add("request", "GET /x", 0.1)
    monkeypatch.setattr(PerformanceMetric.objects, "bulk_create", refuse)
    one.store()
    monkeypatch.undo()
    one.add("request", "GET /x", 0.1)
    one.store()
    assert the().count == 1


def test_a_forked_process_does_not_store_what_its_parent_counted():
    one = Timings(in_background=False)
    one.add("request", "GET /x", 0.1)
    pid = os.fork()
    if not pid:
        os._exit(len(one._sums))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(one._sums) == 1


def test_threads_lose_no_duration():
    one = Timings(in_background=False)

    def add():
        for _ in range(2_000):
            one.add("request", "GET /x", 0.01)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    one.store()
    assert the().count == 16_000


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        [1],
        {"parts": [1]},
        {"parts": {"x": 1, "3": "many", "4": -1, "5": 1.5, "900": 1}, "failed": {}},
    ],
)
def test_a_row_of_another_program_is_no_error(metadata):
    about = {"duration_ms": 40, "success": False, "error_message": "x" * 1_000, "metadata": metadata}
    PerformanceMetric.objects.create(metric_type="request", endpoint=None, **about)
    found = the()
    assert found.name == "" and found.failed == 1 and len(found.error) == 300


def test_an_ingest_says_how_many_lines_it_read():
    store_run("ingest", "a.jsonl", 2.0, events=500, new=400, rejected=1)
    store_run("ingest", "a.jsonl", 1.0, "stopped after line 7", events=7)
    found = the("ingest")
    assert (found.count, found.amount, found.failed) == (2, 507, 1)


def test_more_rows_than_a_page_reads_are_said(monkeypatch):
    for number in range(4):
        store_run("ingest", f"{number}.jsonl", 1.0)
    assert of_last_hour().reached is None
    monkeypatch.setattr(reports, "_READ", reports._READ.replace(f"LIMIT {reports.READ}", "LIMIT 3"))
    monkeypatch.setattr(reports, "READ", 3)
    found = of_last_hour()
    assert len(found.of("ingest")) == 3 and found.reached is not None


def test_a_report_reads_the_index_by_time_whatever_statistics_say():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO performance_metrics (timestamp, metric_type, endpoint, duration_ms) "
            "SELECT now() - n * interval '1 s', 'request', 'GET /x', 5 FROM generate_series(1, 20000) AS n"
        )
        for statistics in (
            "ANALYZE performance_metrics",
            "SELECT pg_clear_relation_stats('public', 'performance_metrics')",
        ):
            if statistics.startswith("ANALYZE") or connection.pg_version >= 180000:
                cursor.execute(statistics)
            now = timezone.now()
            values = {"since": now - timedelta(minutes=1), "until": now}
            cursor.execute("EXPLAIN " + reports._READ, values)
            assert "idx_performance_metrics_timestamp" in "\n".join(row[0] for row in cursor.fetchall())


def test_old_durations_are_deleted_and_other_rows_stay():
    old, kept = timezone.now() - timedelta(days=31), timezone.now() - timedelta(days=29)
    for kind in ("request", "job", "ingest", "detection", "heartbeat"):
        for moment in (old, kept):
            PerformanceMetric.objects.create(metric_type=kind, duration_ms=1, timestamp=moment)
    assert not forget_old()
    left = PerformanceMetric.objects.filter(timestamp=old).values_list("metric_type", flat=True)
    assert sorted(left) == ["detection", "heartbeat"]
    assert PerformanceMetric.objects.filter(timestamp=kept).count() == 5


# --- requests --------------------------------------------------------------------------------------------


@pytest.fixture
def timed(settings):
    settings.TIMINGS = True
    settings.MIDDLEWARE = settings.MIDDLEWARE
    timings._begin()
    yield
    timings._begin()


def test_a_request_is_counted_by_its_route_and_adds_no_query(timed, client, settings):
    client.get("/healthz")
    with CaptureQueriesContext(connection) as asked:
        client.get("/admin/login/?next=/x")
    assert client.get("/no/such/page").status_code == 404
    assert ("request", "GET /admin/login/") in timings._sums
    assert not [name for _, name in timings._sums if "no/such" in name or "next" in name]
    assert not [each for each in asked if "performance_metrics" in each["sql"]]


def test_an_answer_of_500_is_a_failure(timed, rf):
    request = rf.get("/x")
    request.resolver_match = type("Match", (), {"route": "x/"})()
    TimingMiddleware(lambda request: HttpResponse(status=503))(request)
    assert timings._sums["request", "GET /x/"].failed == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_rows_are_stored_by_a_thread_with_a_connection_of_its_own():
    one = Timings()
    one._due = 0.0
    one.add("request", "GET /x", 0.1)
    wait_until(PerformanceMetric.objects.exists)
    assert the().count == 1
