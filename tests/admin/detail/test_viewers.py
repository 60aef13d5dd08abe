"""The people who have an anomaly open: the others see them for a minute, and who may not view it never."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from anomalies.models import Anomaly, AnomalyViewer, AuditLog
from anomalies.triage.viewers import in_words, look
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly() -> Anomaly:
    return make_anomaly()


def desk(role: str, username: str) -> Client:
    client = Client()
    client.force_login(make_user(role, username))
    return client


def address(anomaly: Anomaly) -> str:
    return f"/admin/anomalies/anomaly/{anomaly.pk}/viewers/"


def words(client: Client, anomaly: Anomaly) -> str:
    return client.get(address(anomaly)).json()["words"]


def passes(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anomaly_viewers SET seen_at = seen_at - %s * interval '1 second'", [seconds])


def test_nobody_is_said_to_look_who_is_alone_even_in_two_tabs(anomaly):
    ana = desk("viewer", "ana")
    assert [words(ana, anomaly), words(ana, anomaly)] == ["", ""]


def test_each_sees_the_other_on_the_same_anomaly_alone(anomaly):
    ana, bo = desk("viewer", "ana"), desk("analyst", "bo")
    words(ana, anomaly)
    assert words(bo, make_anomaly()) == ""
    assert words(bo, anomaly) == "ana is looking at this"
    assert words(ana, anomaly) == "bo is looking at this"


def test_who_stopped_asking_is_gone_after_a_minute_and_so_is_the_row(anomaly):
    look(anomaly.pk, "ana")
    passes(50)
    assert look(anomaly.pk, "bo") == ["ana"]
    passes(11)
    assert look(anomaly.pk, "bo") == []
    assert AnomalyViewer.objects.values_list("username", flat=True).get() == "bo"


def test_a_row_is_written_again_only_after_a_while(anomaly):
    look(anomaly.pk, "ana")
    first = AnomalyViewer.objects.get().seen_at
    passes(10)
    look(anomaly.pk, "ana")
    assert AnomalyViewer.objects.get().seen_at < first
    passes(10)
    look(anomaly.pk, "ana")
    assert AnomalyViewer.objects.get().seen_at >= first


def test_one_s_own_expired_row_counts_again(anomaly):
    look(anomaly.pk, "ana")
    passes(300)
    look(anomaly.pk, "ana")
    assert look(anomaly.pk, "bo") == ["ana"]


def test_an_anomaly_that_is_not_there_gets_no_row():
    assert look(uuid4(), "ana") == []
    assert not AnomalyViewer.objects.exists()


def test_unchanged_words_are_not_sent_again(anomaly):
    look(anomaly.pk, "ana")
    bo = desk("viewer", "bo")
    tag = bo.get(address(anomaly)).headers["ETag"]
    assert bo.get(address(anomaly), headers={"If-None-Match": tag}).status_code == 304
    look(anomaly.pk, "cleo")
    assert bo.get(address(anomaly), headers={"If-None-Match": tag}).status_code == 200


def test_looking_takes_one_statement_and_leaves_nothing_in_the_audit_log(anomaly, django_assert_num_queries):
    before = AuditLog.objects.count()
    with django_assert_num_queries(3):  # two are the test's savepoint
        look(anomaly.pk, "ana")
    assert AuditLog.objects.count() == before


def test_who_may_not_view_gets_no_names_and_leaves_none(anomaly):
    client = Client()
    client.force_login(User.objects.create_user("stranger", is_staff=True))
    assert client.get(address(anomaly)).status_code == 403
    assert not AnomalyViewer.objects.exists()


def test_a_server_that_may_not_write_says_nothing(anomaly):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on")
    assert look(anomaly.pk, "ana") == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["ana"], "ana is looking at this"),
        (["ana", "bo"], "ana and bo are looking at this"),
        (["ana", "bo", "cleo"], "ana, bo and cleo are looking at this"),
        (["ana", "bo", "cleo", "dan"], "ana, bo and others are looking at this"),
    ],
)
def test_the_names_are_said_in_a_sentence(names, said):
    assert in_words(names) == said


def test_a_name_is_safe_to_show(anomaly):
    look(anomaly.pk, "a\u202eb")
    assert words(desk("viewer", "bo"), anomaly) == "a\\u202eb is looking at this"


def test_the_card_asks_and_is_empty_at_first(anomaly):
    page = desk("viewer", "bo").get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").content.decode()
    assert f'role="status" data-viewers="{address(anomaly)}"></span>' in page
