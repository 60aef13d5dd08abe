"""OpenTelemetry's own SDK as the sender, and workers that are killed while they judge what it sent."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from anomalies.ingest.otlp import Judge, keep
from anomalies.models import Anomaly, DetectorStream, IncomingBatch
from anomalies.sources.otlp import received
from tests.api.programs import program
from tests.ingest.otlp.exports import PANIC, logs, normal_lines
from tests.support.processes import manage, wait_until
from tests.support.sizes import amount

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
RESOURCE = Resource.create({"service.name": "shop", "host.name": "web-1"})
SERVICES = [f"service {number}" for number in range(6)]


def test_the_exporters_of_the_python_sdk_deliver_all_three_signals(live_server):
    sender = program("lead", "ingest")
    options = {
        "headers": {"Authorization": f"Bearer {sender.secret}"},
        "compression": Compression.Gzip,
    }

    def address(signal: str) -> dict[str, object]:
        return {"endpoint": f"{live_server.url}/v1/{signal}", **options}

    log_provider = LoggerProvider(RESOURCE)
    log_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**address("logs"))))
    for number in range(700):  # more than one request holds by default
        log_provider.get_logger("app").emit(body=f"order {number}", timestamp=time.time_ns())
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(**address("metrics")))
    meter_provider = MeterProvider([reader], RESOURCE)
    meter_provider.get_meter("meter").create_counter("orders").add(3)
    tracer_provider = TracerProvider(resource=RESOURCE)
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**address("traces"))))
    with tracer_provider.get_tracer("app").start_as_current_span("open"):
        pass
    for provider in (log_provider, meter_provider, tracer_provider):
        assert provider.force_flush()
        provider.shutdown()
    rows = IncomingBatch.objects.values_list("signal", "service", "scope", "items")
    found = Counter()
    for signal, service, scope, items in rows:
        found[signal, service, scope] += items
    assert found["logs", "shop", "app"] == 700
    assert found["traces", "shop", ""] == 1
    assert found["metrics", "shop", "meter"] >= 1
    with manage("work", "--once", "--jobs", "otlp") as worker:
        assert worker.wait(600) == 0
    assert not IncomingBatch.objects.filter(done_at=None).exists()
    assert DetectorStream.objects.filter(service="shop").count() >= 3


def send_all() -> int:
    """Send logs of six services, each with a panic; the number of records."""
    texts = normal_lines(400)
    texts[300] = PANIC
    for first in range(0, 400, 100):
        for service in SERVICES:
            request = logs(texts[first : first + 100], first, service_name=service)
            keep(received(request.SerializeToString(), "logs", False).batches)
    return 400 * len(SERVICES)


def found_by(judged: int) -> set:
    """The anomalies, after it was checked that every record was judged once."""
    assert judged == sum(IncomingBatch.objects.exclude(done_at=None).values_list("items", flat=True))
    assert not IncomingBatch.objects.filter(done_at=None).exists()
    return set(Anomaly.objects.values_list("id", "metadata__file", "metadata__odd_line"))


def clear() -> None:
    for model in (IncomingBatch, DetectorStream, Anomaly):
        model.objects.all().delete()


def test_workers_that_are_killed_lose_no_record_and_judge_no_window_twice():
    sent, judge = send_all(), Judge()
    while judge.run_once():
        pass
    undisturbed = found_by(sent)
    assert {file for _, file, line in undisturbed if line == 301} == {f"{one}/app.orders" for one in SERVICES}
    dice = random.Random(7)
    for _ in range(amount("DRIFTLOCK_OTLP_KILLS")):
        clear()
        send_all()
        goal = dice.randrange(1, len(SERVICES))
        with manage("work", "--jobs", "otlp") as worker:
            wait_until(lambda goal=goal: DetectorStream.objects.count() >= goal)
            time.sleep(dice.random() * 0.1)
            worker.kill()
        with manage("work", "--once", "--jobs", "otlp") as worker:
            assert worker.wait(600) == 0
        assert found_by(sent) == undisturbed
