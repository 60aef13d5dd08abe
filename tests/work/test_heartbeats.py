"""Reports of workers, and what the start page says where none runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from anomalies.models import Anomaly, PerformanceMetric
from anomalies.work.heartbeats import INTERVAL, store_report, without_worker, workers
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db


def reported(name: str, state: str = "running", ago: float = 0, jobs: tuple[str, ...] = ("snoozes",)) -> None:
    store_report(name, jobs, state)
    newest = PerformanceMetric.objects.latest("id")
    PerformanceMetric.objects.filter(pk=newest.pk).update(timestamp=timezone.now() - timedelta(seconds=ago))


def test_a_worker_whose_report_does_not_come_is_overdue():
    reported("a:1", ago=2 * INTERVAL - 9)
    reported("b:1", ago=2 * INTERVAL + 1)
    reported("c:1", "stopped", ago=9999)
    assert [(one.name, one.state) for one in workers()] == [
        ("a:1", "running"),
        ("b:1", "overdue"),
        ("c:1", "stopped"),
    ]


def test_a_job_that_another_worker_runs_is_not_missed():
    reported("a:1", ago=9999, jobs=("snoozes", "rollup"))
    reported("a:2")
    assert list(without_worker(workers())) == ["rollup"]


@pytest.mark.parametrize("metadata", [None, [], "text", {"state": 7, "jobs": {"a": 1}}, {"jobs": [None]}])
def test_a_row_of_this_type_by_another_program_is_read_too(metadata):
    PerformanceMetric.objects.create(metric_type="worker", duration_ms=0, metadata=metadata)
    assert len(workers()) == 1


def test_the_start_page_says_that_no_worker_runs_any_more(client, viewer):
    client.force_login(viewer)
    assert "Jobs without a worker" not in client.get("/admin/").content.decode()
    reported("a:1", ago=9999, jobs=("<b>",))
    assert "background job <bdi>&lt;b&gt;</bdi>" in client.get("/admin/").content.decode()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_work_once_does_what_is_due_and_ends():
    due = make_anomaly(snoozed_at=timezone.now(), snoozed_until=timezone.now())
    call_command("work", "--once")
    assert Anomaly.objects.get(pk=due.pk).snoozed_at is None
    assert [one.state for one in workers()] == ["stopped"]
