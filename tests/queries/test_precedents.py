"""Precedents: what was decided about anomalies like this one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anomalies import json_column
from anomalies.models import Anomaly
from anomalies.queries.precedents import CANDIDATES, Precedent, in_words, precedents
from tests.support.factories import NOON, anomaly_values, make_anomaly

pytestmark = pytest.mark.django_db

DEADLOCK = "ERROR: deadlock detected: process 4711 waits for ShareLock on transaction 99; blocked by 12"
AGAIN = "ERROR: deadlock detected: process 88 waits for ShareLock on transaction 1234; blocked by 7"
DISK = "PANIC: could not write to file pg_wal/xlogtemp: No space left on device, shutting the server down"


def decided(line: str = AGAIN, status: str = "dismissed", ago: int = 1, **over: Any) -> Anomaly:
    reason = "known_harmless" if status == "dismissed" else None
    over = {"window_data": odd(line), "dismissal_reason": reason, f"{status}_by": "ana", **over}
    return make_anomaly(status=status, timestamp=NOON - timedelta(hours=ago), **over)


def odd(line: str) -> list[dict[str, Any]]:
    return [{"text": "checkpoint starting", "odd": False}, {"text": line, "odd": True}]


def nearest_to(**over: Any) -> list[Precedent]:
    anomaly = make_anomaly(**{"window_data": odd(DEADLOCK), **over})
    (row,) = json_column.as_text(Anomaly.objects.filter(pk=anomaly.pk), ["window_data"])
    return precedents(row, row.window_data_text)


def test_the_same_line_with_other_numbers_is_a_precedent():
    earlier = decided()
    (found,) = nearest_to()
    assert (found.id, found.decision, found.by) == (earlier.pk, "dismissed: known and harmless", "ana")
    assert found.distance < 0.2


def test_a_decision_about_another_source_is_none():
    decided(metadata={"service": "billing"})
    same = decided(metadata={"service": "shop"})
    assert [each.id for each in nearest_to(metadata={"service": "shop"})] == [same.pk]


def test_another_line_is_none():
    decided(DISK)
    assert nearest_to() == []


def test_the_nearest_come_first_and_are_four_at_most():
    for ago in range(1, 6):
        decided(ago=ago)
    decided(AGAIN + " in another database altogether", ago=1)
    distances = [each.distance for each in nearest_to()]
    assert len(distances) == 4 and distances == sorted(distances)


def test_of_those_that_are_equally_near_the_newest_come_first():
    for ago in range(1, 7):
        decided(ago=ago, status="dismissed" if ago % 2 else "acknowledged")
    assert [each.timestamp.hour for each in nearest_to()] == [11, 10, 9, 8]


@pytest.mark.parametrize("status", ["pending", "investigating"])
def test_what_is_not_decided_is_none(status):
    make_anomaly(window_data=odd(AGAIN), status=status, timestamp=NOON - timedelta(hours=1))
    assert nearest_to() == []


def test_what_came_later_is_none():
    decided(ago=-1)
    assert nearest_to() == []


def test_another_stream_is_none():
    decided(stream_type="llm")
    assert nearest_to() == []


def test_those_with_a_tag_in_common_go_before_those_without():
    decided(tags=["web"], ago=1)
    same = decided(tags=["db", "eu"], ago=2)
    assert [each.id for each in nearest_to(tags=["db"])] == [same.pk]


def test_without_a_tag_in_common_the_others_are_shown():
    decided(tags=["web"])
    assert len(nearest_to(tags=["db"])) == 1


def test_evidence_of_another_size_is_none():
    decided(AGAIN + "".join(f" {word}" for word in range(10_000)))
    assert nearest_to() == []


@pytest.mark.parametrize("evidence", [[DEADLOCK], {"lines": [DEADLOCK]}, DEADLOCK])
def test_other_detectors_evidence_is_understood(evidence):
    decided(window_data=evidence)
    assert len(nearest_to(window_data=evidence)) == 1


@pytest.mark.parametrize("evidence", [None, [], "", {}, [""]])
def test_without_evidence_there_are_none(evidence):
    decided()
    assert nearest_to(window_data=evidence) == []


def test_no_more_candidates_are_read_than_are_compared():
    values = anomaly_values(status="dismissed", window_data=odd(AGAIN), timestamp=NOON - timedelta(days=1))
    Anomaly.objects.bulk_create(Anomaly(**values) for _ in range(CANDIDATES + 100))
    with CaptureQueriesContext(connection) as queries:
        nearest_to()
    (read,) = [query["sql"] for query in queries if "UNION ALL" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(read)
        assert len(cursor.fetchall()) == CANDIDATES // 2  # of either decision, and all are dismissed


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([], "None yet."),
        (["dismissed"], "The only one like it was dismissed: known and harmless."),
        (["dismissed"] * 3, "All of the 3 nearest were dismissed: known and harmless."),
        (["dismissed"] * 3 + ["acknowledged"], "3 of the 4 nearest were dismissed: known and harmless."),
        (
            ["acknowledged", "acknowledged", "dismissed", "dismissed"],
            "2 of the 4 nearest were acknowledged, 2 dismissed: known and harmless.",
        ),
    ],
)
def test_it_is_said_in_one_sentence(decisions, words):
    for ago, status in enumerate(decisions, start=1):
        decided(status=status, ago=ago)
    assert in_words(nearest_to()) == words


def test_reasons_that_differ_do_not_divide_a_decision():
    for ago, reason in enumerate(["duplicate", "known_harmless", "duplicate"], start=1):
        decided(ago=ago, dismissal_reason=reason)
    decided(status="acknowledged", ago=4)
    assert in_words(nearest_to()) == "3 of the 4 nearest were dismissed: 2 duplicate, 1 known and harmless."


def test_the_page_tells_it_and_decides_nothing(client, viewer):
    decided()
    anomaly = make_anomaly(window_data=odd(DEADLOCK))
    client.force_login(viewer)
    page = client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").content.decode()
    assert "The only one like it was dismissed: known and harmless." in page
    assert Anomaly.objects.get(pk=anomaly.pk).status == "pending"


def test_the_page_takes_at_most_10_queries(client, viewer):
    decided()
    anomaly = make_anomaly(window_data=odd(DEADLOCK), tags=["other"])
    client.force_login(viewer)
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/")
    assert len(queries) <= 10
