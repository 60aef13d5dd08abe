"""Rate limits: the requests of a token over all processes, their refill, and what a refusal says."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client

from anomalies.api import rates
from anomalies.models import ApiAllowance
from tests.api.programs import Program, program

pytestmark = pytest.mark.django_db
PATH = "/api/v1/configs"


@pytest.fixture
def reader(settings) -> Program:
    settings.API_RATE = 40
    return program("viewer", "read")


def another_process() -> None:
    """Forget what this process counts in memory, as a new one has nothing."""
    rates._shares.clear()


def later(seconds: int) -> None:
    """Let so much time pass for the database, which keeps the time."""
    ApiAllowance.objects.update(spent_until=F("spent_until") - timedelta(seconds=seconds))
    another_process()


def allowed(reader: Program, most: int = 100) -> int:
    """The number of requests that are answered before one is refused."""
    return next(n for n in range(most) if reader.get(PATH).status_code == 429)


def test_a_token_has_so_many_requests_and_is_then_refused_with_the_time_to_wait(reader):
    assert allowed(reader) == 40
    answer = reader.get(PATH)
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert 1 <= int(answer["Retry-After"]) <= 3 and "40 requests a minute" in answer.json()["detail"]


def test_processes_share_a_tokens_allowance(reader):
    for _ in range(10):
        reader.get(PATH)
        another_process()
    assert 40 - 10 * 2 <= allowed(reader) <= 30  # a share of two requests was taken, one of them used


def test_another_token_has_an_allowance_of_its_own(reader):
    allowed(reader)
    assert program("lead", "read").get(PATH).status_code == 200


def test_an_allowance_refills_steadily_and_never_beyond_the_limit(reader):
    allowed(reader)
    later(15)
    assert 9 <= allowed(reader) <= 11
    later(3_600)
    assert allowed(reader) == 40


def test_each_answer_says_what_is_left(reader):
    found = [reader.get(path) for path in (PATH, "/api/v1/anomalies", "/api/v1/configs/7")]
    assert {answer["RateLimit-Policy"] for answer in found} == {'"token";q=40;w=60'}
    left = [int(re.fullmatch(r'"token";r=(\d+);t=\d+', answer["RateLimit"])[1]) for answer in found]
    assert left == [39, 38, 37]


def test_most_requests_and_every_refusal_cost_no_statement(settings, django_assert_num_queries):
    settings.API_RATE = 400
    token = program("viewer", "read").token
    rates.count(token)
    with django_assert_num_queries(0):
        for _ in range(19):
            rates.count(token)
    settings.API_RATE = 1
    another_process()
    for _ in range(2):
        with pytest.raises(rates.ProblemError):
            rates.count(token)
    with django_assert_num_queries(0), pytest.raises(rates.ProblemError):
        rates.count(token)


def test_without_a_limit_nothing_is_counted(settings):
    settings.API_RATE = 0
    answer = program("viewer", "read").get(PATH)
    assert "RateLimit" not in answer and not ApiAllowance.objects.exists()


def test_a_wrong_token_counts_for_nobody(reader):
    Client(headers={"Authorization": "Bearer driftlock_x"}).get(PATH)
    assert not ApiAllowance.objects.exists()
