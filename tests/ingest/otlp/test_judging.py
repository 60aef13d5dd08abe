"""The worker's job: batches of a stream through its detector to anomalies, whatever fails in between."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.ingest.otlp import Judge, judging, keep, spool, waiting_bytes
from anomalies.ingest.otlp.stream import StreamDetector
from anomalies.models import (
    Anomaly,
    AuditLog,
    DetectionConfig,
    DetectorStream,
    IncomingBatch,
    PerformanceMetric,
)
from anomalies.sources.otlp import received
from anomalies.thresholds import ThresholdsError
from anomalies.triage.decisions import decide
from tests.ingest.otlp.exports import BEGIN, PANIC, logs, metrics, normal_lines, spans
from tests.sources.otlp.test_points import counter
from tests.support.databases import connect
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db


def send(request: Any, signal: str = "logs") -> None:
    keep(received(request.SerializeToString(), signal, False).batches)


def judge_all() -> int:
    """Judge until nothing is left; the number of items."""
    judge, items = Judge(), 0
    while judged := judge.run_once():
        items += judged.items
    return items


def let_it_be_quiet() -> None:
    """Every stream's last record came a minute ago."""
    DetectorStream.objects.update(updated_at=timezone.now() - timedelta(minutes=1))


def found() -> list[Anomaly]:
    return list(Anomaly.objects.filter(is_statistically_significant=True).order_by("timestamp"))


def send_with_panic(count: int, at: int, parts: int = 1) -> None:
    texts = normal_lines(count)
    texts[at] = PANIC
    size = count // parts
    for first in range(0, count, size):
        send(logs(texts[first : first + size], first))


def test_one_panic_in_ten_thousand_records_arrives_with_its_own_time_and_source():
    send_with_panic(10_000, 7_000, parts=5)
    assert judge_all() == 10_000
    (one,) = found()
    assert one.timestamp == datetime.fromtimestamp(BEGIN + 7_000, UTC)
    about = {name: one.metadata[name] for name in ("file", "service", "scope", "host", "via")}
    assert about == {
        "file": "checkout/app.orders",
        "service": "checkout",
        "scope": "app.orders",
        "host": "web-1",
        "via": "otlp",
    }
    assert one.metadata["resource"] == {"service.name": "checkout", "host.name": "web-1"}
    assert "panic" in one.glass_box_explanation


def test_findings_do_not_depend_on_how_the_records_came_in_requests(monkeypatch):
    ids = []
    for parts, most_items in ((1, 20_000), (30, 20_000), (30, 1)):
        monkeypatch.setattr(judging, "MOST_ITEMS", most_items)
        send_with_panic(300, 250, parts)
        judge_all()
        ids.append(set(Anomaly.objects.values_list("id", flat=True)))
        for model in (IncomingBatch, DetectorStream):
            model.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE anomalies")
    assert ids[0] == ids[1] == ids[2] != set()


def test_a_record_has_its_number_in_the_stream_also_after_its_detector_was_saved():
    send(logs(normal_lines(100)))
    judge_all()
    texts = [*normal_lines(60, 100), PANIC, *normal_lines(40, 161)]
    send(logs(texts, 100))
    judge_all()
    assert [one.metadata["odd_line"] for one in found()] == [161]


def test_what_was_judged_waits_no_longer_and_its_body_is_dropped():
    send(logs(normal_lines(50)))
    kept = IncomingBatch.objects.get()
    assert waiting_bytes() == kept.size == len(kept.body) > 0
    judge_all()
    assert (waiting_bytes(), bytes(IncomingBatch.objects.get().body)) == (0, b"")


def test_batches_are_stored_in_the_order_of_their_digests_so_that_two_senders_never_deadlock():
    batches = [
        batch
        for number in range(4)
        for batch in received(logs(["up"], number).SerializeToString(), "logs", False).batches
    ]
    keep(batches)
    digests = list(IncomingBatch.objects.order_by("number").values_list("digest", flat=True))
    assert digests == sorted(batch.digest for batch in batches)


@pytest.mark.parametrize("is_saved_between", [False, True])
def test_the_host_is_that_of_the_record_that_is_named_first(is_saved_between):
    for host, first, texts in (
        ("web-1", 0, normal_lines(200)),
        ("web-2", 200, [*normal_lines(50, 200), PANIC]),
        ("web-3", 251, normal_lines(100, 251)),
    ):
        send(logs(texts, first, host_name=host))
        if is_saved_between and host == "web-1":
            judge_all()
    judge_all()
    (one,) = found()
    assert (one.metadata["host"], one.metadata["resource"]["host.name"]) == ("web-2", "web-2")


class StoppedHere(Exception):
    """The worker was killed."""


class StopAt:
    """Ends the work before its n-th statement; the ends of savepoints, which a kill undoes, do not count."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute, sql, params, many, context):
        if not sql.startswith(("RELEASE", "ROLLBACK")):
            self.left -= 1
            if self.left == -1:
                raise StoppedHere
        return execute(sql, params, many, context)


def state_of_all() -> tuple:
    batches = IncomingBatch.objects.values_list("number", "done_at", "size")
    return (list(batches), list(DetectorStream.objects.values_list("state")), Anomaly.objects.count())


def test_work_that_ends_before_any_statement_changes_nothing_and_is_done_later_once():
    send_with_panic(170, 160)
    judge_all()
    send(logs(normal_lines(60, 170), 170))
    before, statements = state_of_all(), 0
    while True:
        try:
            with connection.execute_wrapper(StopAt(statements)):
                Judge().run_once()
            break
        except StoppedHere:
            assert state_of_all() == before
            statements += 1
    assert statements > 10
    assert [one.metadata["odd_line"] for one in found()] == [161]
    assert judge_all() == 0


def test_the_last_record_is_reported_once_the_stream_is_quiet_and_not_twice():
    send_with_panic(150, 149)
    judge_all()
    assert found() == []
    let_it_be_quiet()
    judge_all()
    let_it_be_quiet()
    judge_all()
    assert [one.metadata["odd_line"] for one in found()] == [150]


def test_a_stream_that_another_worker_has_is_left_to_it():
    send(logs(normal_lines(3)))
    send(logs(normal_lines(4), service_name="cart"))
    with connect(connection.settings_dict["NAME"]) as other:
        name = "\n".join(("driftlock stream", "logs", "cart", "app.orders"))
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        assert judge_all() == 3
        other.execute("SELECT pg_advisory_unlock_all()")
        assert judge_all() == 4


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_stream_of_a_worker_that_stands_still_goes_to_the_next_one(monkeypatch):
    send(logs(normal_lines(3)))
    monkeypatch.setattr(judging, "HELD", 0.2)
    stands_still = StreamDetector.feed

    def feed(*given: Any) -> Any:
        monkeypatch.setattr(StreamDetector, "feed", stands_still)
        wait_until(lambda: _is_ended(pid))
        return stands_still(*given)

    monkeypatch.setattr(StreamDetector, "feed", feed)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with pytest.raises(DatabaseError):
        judge_all()
    connection.close()
    assert judge_all() == 3


def _is_ended(pid: int) -> bool:
    with connect(connection.settings_dict["NAME"]) as other:
        return not other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_stream_is_kept_for_as_long_as_its_bodies_take_together(monkeypatch):
    for first in range(0, 40, 10):
        send(logs(normal_lines(10, first), first))
    monkeypatch.setattr(judging, "HELD", 2.5)
    feed = StreamDetector.feed

    def slowly(*given: Any) -> Any:
        time.sleep(0.7)
        return feed(*given)

    monkeypatch.setattr(StreamDetector, "feed", slowly)
    assert judge_all() == 40


def test_a_batch_that_the_detector_fails_on_is_set_aside_with_the_error_and_the_next_one_is_judged(caplog):
    send(logs(normal_lines(3)))
    IncomingBatch.objects.update(body=spool.zstandard.compress(b"\xff"))
    send(logs(normal_lines(4, 3), 3))
    assert judge_all() == 4
    failed = IncomingBatch.objects.exclude(failure=None).get()
    assert failed.failure.startswith("LineError: the batch can't be decoded")
    assert "judging the oldest batch of logs of checkout/app.orders failed" in caplog.text
    IncomingBatch.objects.update(done_at=timezone.now() - timedelta(days=1))
    judge_all()
    assert [one.number for one in IncomingBatch.objects.all()] == [failed.number]


def test_a_good_batch_before_one_that_fails_is_judged_alone():
    send(logs(normal_lines(3)))
    send(logs(normal_lines(4, 3), 3))
    bad = IncomingBatch.objects.latest("number")
    IncomingBatch.objects.filter(pk=bad.pk).update(body=spool.zstandard.compress(b"\xff"))
    assert judge_all() == 3
    assert IncomingBatch.objects.exclude(failure=None).get().pk == bad.pk


def test_a_state_of_another_version_is_said_and_the_stream_begins_again(caplog):
    send(logs(normal_lines(3)))
    judge_all()
    DetectorStream.objects.update(state=spool.zstandard.compress(b'{"form": 0}'))
    send(logs(normal_lines(4, 3), 3))
    assert judge_all() == 4
    assert "the detector of logs of checkout/app.orders starts again: it is of form 0" in caplog.text


def test_without_an_active_config_everything_waits():
    DetectionConfig.objects.update(is_active=False)
    send(logs(normal_lines(3)))
    with pytest.raises(ThresholdsError):
        judge_all()
    DetectionConfig.objects.update(is_active=True)
    assert judge_all() == 3


def test_what_was_acknowledged_is_not_learnt_as_normal(monkeypatch):
    monkeypatch.setattr(judging, "LEARNT_EVERY", 0)
    send_with_panic(200, 160)
    judge_all()
    (one,) = found()
    decide("acknowledge", [one.pk], Actor("ana"))
    send(logs([PANIC, *normal_lines(79, 201)], 200))
    judge_all()
    assert [line.metadata["odd_line"] for line in found()] == [161, 201]


def test_the_windows_tested_are_recorded_for_the_statistics():
    send(logs(normal_lines(200)))
    judge_all()
    metric = PerformanceMetric.objects.get(metric_type="detection")
    assert (metric.endpoint, metric.metadata["events"]) == ("checkout/app.orders", 200)
    assert metric.metadata["windows_tested"] == 91


def test_windows_are_recorded_since_the_last_time_with_the_times_of_their_records(monkeypatch):
    monkeypatch.setattr(judging, "RECORDED_EVERY", 0)
    for first, count in ((0, 200), (200, 100)):
        send(logs(normal_lines(count, first), first))
        judge_all()
    metrics = PerformanceMetric.objects.filter(metric_type="detection").order_by("id")
    said = [each.metadata for each in metrics]
    assert [(each["events"], each["windows_tested"]) for each in said] == [(200, 91), (100, 100)]
    begun = [datetime.fromtimestamp(BEGIN + first, UTC).isoformat() for first in (0, 200)]
    assert [each["first_timestamp"] for each in said] == begun


def test_the_audit_log_names_the_worker_and_the_source():
    send_with_panic(200, 150)
    judge_all()
    entry = AuditLog.objects.filter(action="create").latest("id")
    assert (entry.username, entry.metadata["via"], entry.metadata["source"]) == (
        "otlp",
        "work",
        "checkout/app.orders",
    )


def test_a_metric_that_jumps_is_found_in_the_minutes_in_which_it_does():
    dice = random.Random(1)
    values = [50 + dice.gauss(0, 2) for _ in range(1_500)]
    values[1_200:1_230] = [120.0] * 30
    for first in range(0, 1_500, 250):
        send(metrics(values[first : first + 250], first), "metrics")
    assert judge_all() == 1_500
    (one,) = found()
    jump = datetime.fromtimestamp(BEGIN + 1_200 * 60, UTC)
    assert abs(one.timestamp - jump) <= timedelta(minutes=10)
    assert (one.stream_type, one.metadata["file"]) == ("metrics", "checkout/app.meter")
    assert one.glass_box_explanation.startswith('queue.depth{host.name="web-1"} 120.0')


def test_a_counter_is_compared_with_its_last_point_of_the_batch_before():
    for first in (1, 2, 3):
        request = metrics([], name="none")
        request.resource_metrics[0].scope_metrics[0].metrics.append(counter(10.0 * first, begin=10 * first))
        send(request, "metrics")
        judge_all()
    (state,) = DetectorStream.objects.values_list("state", flat=True)
    events = json.loads(spool.zstandard.ZstdDecompressor().decompress(bytes(state), 2**24))["detector"][
        "counts"
    ][0]
    assert events == 2


STEPS = ("GET /cart", "auth", "db.query", "render")


def test_the_spans_of_a_trace_are_joined_over_requests_once_their_service_is_quiet():
    usual = [(number, STEPS) for number in range(1, 301)]
    odd = ("GET /cart", "auth", "db.failover", "retry", "retry", "render")
    send(spans([*usual[:250], (251, odd[:2])]), "traces")
    judge_all()
    send(spans([(251, odd[2:])], first=2), "traces")
    send(spans(usual[251:]), "traces")
    judge_all()
    assert DetectorStream.objects.get().is_open
    let_it_be_quiet()
    judge_all()
    let_it_be_quiet()
    judge_all()
    (one,) = found()
    assert (one.stream_type, one.metadata["file"]) == ("traces", "checkout")
    assert "db.failover" in one.glass_box_explanation
    assert any(" | ".join(odd) in line["text"] for line in one.window_data)
