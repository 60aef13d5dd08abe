"""Metrics for Prometheus: off unless set, for a token that may read, and what they say."""

from __future__ import annotations

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from anomalies.audit.seals import seal
from anomalies.ingest.heartbeats import store_report
from tests.api.programs import program
from tests.support.factories import NOON, make_anomaly
from tests.support.seals import new_key

pytestmark = pytest.mark.django_db
PATH = "/metrics"


@pytest.fixture
def on(settings) -> None:
    settings.METRICS = True


def samples(answer) -> dict[tuple[str, ...], float]:
    """The values by name and labels."""
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store"), answer.content
    return {
        (sample.name, *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_unless_set_there_are_none():
    answer = program("viewer", "read").get(PATH)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_they_take_a_token_that_may_read(on):
    assert Client().get(PATH).status_code == 401
    assert Client(headers={"Authorization": "Bearer driftlock_x"}).get(PATH).status_code == 401
    assert program("analyst", "decide").get(PATH).status_code == 403
    assert program("viewer", "read").post(PATH).status_code == 405


def test_they_count_anomalies_detectors_and_seals(on, settings):
    settings.SEAL_KEY = new_key()
    for status in ("pending", "pending", "investigating"):
        make_anomaly(status=status)
    store_report('/var/log/"x"\n', "db1", "running", "")
    seal()
    found = samples(program("viewer", "read").get(PATH))
    assert found["driftlock_anomalies", "pending", "logs"] == 2
    assert found["driftlock_oldest_pending_timestamp_seconds",] == NOON.timestamp()
    assert found["driftlock_seal_timestamp_seconds",] > NOON.timestamp()
    (detector,) = [key for key in found if key[0].startswith("driftlock_detector")]
    assert (detector[1], detector[3]) == ("db1", "running") and "\n" not in detector[2]


def test_they_count_requests_by_route_and_status(on):
    reader, row = program("viewer", "read"), make_anomaly()
    before = samples(reader.get(PATH))
    for _ in range(2):
        reader.get(f"/api/v1/anomalies/{row.pk}")
    reader.get("/api/v1/no-such-address")
    reader.send("X" * 50, "/api/v1/configs")
    after = samples(reader.get(PATH))
    name, route = "driftlock_http_requests_total", "api/v1/anomalies/<uuidstr:anomaly_id>"
    assert after[name, "GET", route, "200"] - before.get((name, "GET", route, "200"), 0) == 2
    duration = ("driftlock_http_request_seconds_count", "GET", route)
    assert after[duration] - before.get(duration, 0) == 2
    assert {key[1] for key in after if key[0] == name} <= {"GET", "other", "POST"}


@pytest.mark.parametrize("rows", [3, 30])
def test_a_scrape_takes_as_many_queries_for_any_number_of_rows(on, rows, django_assert_max_num_queries):
    for _ in range(rows):
        make_anomaly()
    reader = program("viewer", "read")
    reader.get(PATH)
    with django_assert_max_num_queries(5):  # the token, and one for each family
        reader.get(PATH)
