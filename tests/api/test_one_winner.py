"""Programs that write about one anomaly at the same moment: one is answered 200, the others why not."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.utils import timezone

from anomalies.models import Anomaly, ApiAnswer, AuditLog, TriageRule
from tests.api.programs import Program, program
from tests.support.concurrency import at_once
from tests.support.factories import make_anomaly

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
CLIENTS = 8


@pytest.fixture
def clients() -> list[Program]:
    first = program("analyst", "decide")
    return [Program(first.token.owner, ("decide",), f"program {number}") for number in range(CLIENTS)]


def decisions() -> int:
    return AuditLog.objects.filter(action="acknowledge").count()


def test_of_eight_clients_one_decides_and_seven_see_its_version(clients):
    for _ in range(5):
        row, before = make_anomaly(), decisions()
        path = f"/api/v1/anomalies/{row.pk}/decision"
        write = {"path": path, "body": {"action": "acknowledge"}, "If_Match": '"1"'}
        answers = at_once([partial(client.post, **write) for client in clients])
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: CLIENTS - 1}
        assert {a.json()["current_version"] for a in answers if a.status_code == 412} == {2}
        assert (Anomaly.objects.get(pk=row.pk).version, decisions() - before) == (2, 1)


def test_of_eight_requests_under_one_key_all_are_answered_alike_and_one_decides(clients):
    row = make_anomaly()
    path = f"/api/v1/anomalies/{row.pk}/decision"
    write = {"body": {"action": "acknowledge"}, "If_Match": '"1"', "Idempotency_Key": str(uuid4())}
    answers = at_once([partial(client.post, path, **write) for client in clients])
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert (decisions(), ApiAnswer.objects.count()) == (1, 1)


def test_of_eight_requests_for_a_window_under_one_key_one_makes_it():
    lead, now = program("lead", "configure"), timezone.now()
    window = {"window_start": now.isoformat(), "window_end": (now + timedelta(hours=1)).isoformat()}
    body = {"action": "snooze", "note": "new disks", "source": "web", **window}
    ask = partial(lead.post, "/api/v1/rules/windows", body, Idempotency_Key=str(uuid4()))
    answers = at_once([ask] * CLIENTS)
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert TriageRule.objects.count() == 1


def test_of_eight_confirmations_of_one_selection_each_anomaly_is_decided_once(clients):
    for _ in range(20):
        make_anomaly()
    bulk = clients[0].post("/api/v1/bulk", {"action": "acknowledge"}).json()
    path = f"/api/v1/bulk/{bulk['id']}/confirmation"
    answers = at_once([partial(client.post, path, {}) for client in clients])
    assert {answer.status_code for answer in answers} == {200}
    assert {row.version for row in Anomaly.objects.all()} == {2} and decisions() == 20
