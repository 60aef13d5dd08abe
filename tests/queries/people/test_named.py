"""The comments that name a person, on the start page, and how much of the tables is read for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor, acting
from anomalies.models import Comment, Mention
from anomalies.queries.bounded.index_order import index_order
from anomalies.queries.people import named as module
from anomalies.queries.people.named import LATELY, LOOKED_AT, SHOWN, Named
from anomalies.triage.comments import add, withdraw
from anomalies.triage.decisions import decide
from tests.support.factories import make_anomaly, make_user, other_program
from tests.support.plans import explain, rows_read

pytestmark = pytest.mark.django_db

ANA, BOB = Actor("ana"), Actor("bob")


@pytest.fixture(autouse=True)
def people(db) -> list[User]:
    return [make_user("analyst", "ana"), make_user("analyst", "bob")]


def named(username: str = "bob", now: datetime | None = None) -> list[str]:
    return [each.text for each in read(username, now)]


def read(username: str = "bob", now: datetime | None = None) -> list[Named]:
    with index_order():
        return module.named(username, now or timezone.now()).now()


def test_a_comment_that_names_me_is_mine_and_no_other():
    anomaly = make_anomaly()
    add(anomaly.pk, "@bob look", ANA)
    add(make_anomaly().pk, "@ana look", BOB)
    [found] = read()
    assert (found.anomaly.pk, found.author, found.text) == (anomaly.pk, "ana", "@bob look")


def test_what_is_decided_withdrawn_or_old_is_no_longer_mine():
    decided, taken_back = make_anomaly(), make_anomaly()
    add(decided.pk, "@bob one", ANA)
    comment = add(taken_back.pk, "@bob two", ANA).comment
    assert len(named()) == 2
    decide("acknowledge", [decided.pk], BOB)
    assert named() == ["@bob two"]
    assert named(now=timezone.now() + LATELY + timedelta(minutes=1)) == []
    withdraw(taken_back.pk, comment.pk, ANA)
    assert named() == []


def mentions(anomaly: Any, count: int, username: str = "bob") -> None:
    """Comments that name somebody, a second apart, the newest first."""
    now = timezone.now()
    with acting(ANA):
        for number in range(count):
            at = now - timedelta(seconds=number)
            made = Comment.objects.create(
                anomaly_id=anomaly.pk, author="ana", text=f"{number}", named=[username], created_at=at
            )
            Mention.objects.create(
                username=username, created_at=at, comment_id=made.pk, anomaly_id=anomaly.pk
            )


def test_an_anomaly_with_several_comments_is_there_once_with_the_newest():
    mentions(make_anomaly(), 3)
    assert named() == ["0"]


def test_who_has_nothing_costs_one_read():
    with CaptureQueriesContext(connection) as queries:
        assert named() == []
    assert len([query for query in queries if "comment_mentions" in query["sql"]]) == 1


def test_five_anomalies_are_shown_at_most():
    for _ in range(SHOWN + 1):
        add(make_anomaly().pk, "@bob look", ANA)
    assert len(named()) == SHOWN


MENTIONS = """
    INSERT INTO comment_mentions
    SELECT 'bob', now() - n * interval '1 second', gen_random_uuid(), gen_random_uuid()
    FROM generate_series(1, 3000) AS n
"""


@pytest.mark.parametrize(
    "statement",
    [
        "ANALYZE comment_mentions",
        "SELECT",
        "UPDATE pg_class SET reltuples = 10, relpages = 1 WHERE relname = 'comment_mentions'",
    ],
)
def test_what_is_read_does_not_grow_with_the_table(statement):
    with connection.cursor() as cursor, other_program():
        cursor.execute(MENTIONS)
        cursor.execute(statement)
    with CaptureQueriesContext(connection) as queries:
        assert named() == []
    (newest,) = (query["sql"] for query in queries if "comment_mentions" in query["sql"])
    with index_order():  # as it was read
        assert rows_read(explain(newest), "comment_mentions") <= LOOKED_AT
