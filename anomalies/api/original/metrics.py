"""Metrics for Prometheus at /metrics: requests, anomalies by status, detectors, the last seal.

It takes a token with the scope read, as ``authorization`` of a scrape config sends it, and is 404 while
DRIFTLOCK_METRICS is off. What the database knows is read at each scrape, from the roll-up and by indexes, so
its cost does not grow with the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from anomalies.ingest.heartbeats import detectors
from anomalies.models import Anomaly, AuditSeal, Status
from anomalies.queries import hourly_rollup
from anomalies.replica.state import Standing, is_configured, replica
from anomalies.safe_text import printable
from anomalies.web.problems import problem
from anomalies.web.request_metrics import registry

from ..access import Token
from ..problems import CHALLENGE, UNKNOWN, ProblemError

_MOST_DETECTORS = 1_000


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics as text."""
    if not settings.METRICS:
        return problem(404)
    if request.method not in ("GET", "HEAD"):
        return problem(405, headers={"Allow": "GET, HEAD"})
    try:
        if Token("read")(request) is None:
            return problem(401, UNKNOWN, headers=CHALLENGE)
    except ProblemError as error:
        return error.response
    state = CollectorRegistry()
    state.register(DatabaseState())
    text = generate_latest(registry()) + generate_latest(state)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


class DatabaseState(Collector):
    """The gauges of what the database holds, read when they are collected."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families."""
        yield self._anomalies()
        yield self._oldest_pending()
        yield self._detectors()
        yield self._last_seal()
        if is_configured():
            yield from self._replica()

    def _anomalies(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "driftlock_anomalies",
            "Anomalies by status; the pending ones are the backlog.",
            labels=["stream", "status"],
        )
        for row in hourly_rollup.figures(hourly_rollup.Selection()):
            for status in Status.values:
                family.add_metric([row["stream_type"], status], row[f"{status}_count"])
        return family

    def _oldest_pending(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "driftlock_oldest_pending_timestamp_seconds",
            "The time of the oldest pending anomaly, if there is one.",
        )
        oldest = Anomaly.objects.filter(status=Status.PENDING).order_by("timestamp")
        for moment in oldest.values_list("timestamp", flat=True)[:1]:
            family.add_metric([], moment.timestamp())
        return family

    def _detectors(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "driftlock_detector_report_timestamp_seconds",
            "The last report of each detector that follows a source, by its state.",
            labels=["source", "host", "state"],
        )
        for found in detectors()[:_MOST_DETECTORS]:
            family.add_metric(
                [printable(found.source), printable(found.host), found.state], found.reported_at.timestamp()
            )
        return family

    def _last_seal(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "driftlock_seal_timestamp_seconds", "The time of the audit log's last seal, if there is one."
        )
        for moment in AuditSeal.objects.order_by("-number").values_list("made_at", flat=True)[:1]:
            family.add_metric([], moment.timestamp())
        return family

    def _replica(self) -> Iterator[GaugeMetricFamily]:
        status = replica.ask()
        standing = GaugeMetricFamily(
            "driftlock_replica_standing",
            "1 for how the replica stands, 0 for the others.",
            labels=["standing"],
        )
        for each in Standing:
            standing.add_metric([each.name.lower()], float(each == status.standing))
        yield standing
        age = GaugeMetricFamily(
            "driftlock_replica_lag_seconds", "The seconds by which the replica is behind at most, if known."
        )
        if status.age is not None:
            age.add_metric([], status.age)
        yield age
