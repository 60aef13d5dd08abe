"""A connection that is lost during a decision, and a server that can't be written: real backends end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from anomalies.models import Anomaly, AuditLog
from anomalies.web.error_pages import database_error_page
from tests.support import databases
from tests.support.factories import make_anomaly
from tests.support.forms import carried, send

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

LIST = "/admin/anomalies/anomaly/"


@pytest.fixture
def desk(analyst) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(analyst)
    return client


def end_the_backend() -> None:
    with databases.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])


def ended(when: Callable[[str], bool]) -> Any:
    """An execute wrapper that ends the server process of the connection before such a statement, once."""
    done = []

    def wrapper(execute: Any, sql: str, *arguments: Any) -> Any:
        if when(str(sql)) and not done:
            done.append(True)
            end_the_backend()
        return execute(sql, *arguments)

    return connection.execute_wrapper(wrapper)


def is_the_decision(sql: str) -> bool:
    return sql.startswith('UPDATE "anomalies"')


def decisions() -> int:
    return AuditLog.objects.filter(action="acknowledge").count()


def lost_after_the_commit(desk: Client, page: str, opened: Any) -> Any:
    """The answer where the connection is lost between COMMIT and the answer."""

    def lose() -> None:
        end_the_backend()
        Anomaly.objects.exists()

    def wrapper(execute: Any, sql: str, *arguments: Any) -> Any:
        if is_the_decision(str(sql)):
            transaction.on_commit(lose)
        return execute(sql, *arguments)

    with connection.execute_wrapper(wrapper):
        return send(desk, page, opened, action="acknowledge", note="real")


def test_a_decision_that_was_not_stored_is_said_so_and_sent_again_is_stored(desk):
    anomaly = make_anomaly()
    page = f"{LIST}{anomaly.pk}/change/"
    with ended(is_the_decision):
        answer = send(desk, page, action="acknowledge", note="real")
    assert (answer.status_code, "Your decision was not stored" in answer.content.decode()) == (503, True)
    assert decisions() == 0
    assert desk.post(page, carried(answer)).status_code == 302
    assert decisions() == 1


def test_a_decision_that_was_stored_is_said_so_and_sent_again_is_not_stored_twice(desk):
    anomaly = make_anomaly()
    page = f"{LIST}{anomaly.pk}/change/"
    opened = desk.get(page)
    answer = lost_after_the_commit(desk, page, opened)
    assert (answer.status_code, "Your decision was stored" in answer.content.decode()) == (503, True)
    send(desk, page, opened, action="acknowledge", note="real")
    anomaly.refresh_from_db()
    assert (decisions(), anomaly.status, anomaly.notes) == (1, "acknowledged", "real")


def test_a_bulk_decision_is_sent_again_with_all_of_its_rows(desk):
    ids = [make_anomaly().pk for _ in range(3)]
    ticked = {"action": "investigate", "index": "0", "_selected_action": [str(pk) for pk in ids]}
    opened = desk.get(LIST)
    with ended(is_the_decision):
        answer = send(desk, LIST, opened, **ticked)
    assert answer.status_code == 503
    assert desk.post(LIST, carried(answer)).status_code == 302
    assert Anomaly.objects.filter(status="investigating").count() == 3


def test_a_server_that_is_read_only_answers_503_and_nothing_is_stored(desk):
    page = f"{LIST}{make_anomaly().pk}/change/"
    opened = desk.get(page)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    answer = send(desk, page, opened, action="acknowledge", note="real")
    connection.close()
    assert answer.status_code == 503
    assert "can't be changed at the moment" in answer.content.decode().replace("&#x27;", "'")
    assert decisions() == 0
    assert desk.post(page, carried(answer)).status_code == 302


def test_where_the_database_does_not_answer_it_is_not_known_yet(tmp_path):
    request = RequestFactory().post(LIST, {"batch": str(uuid4()), "note": "<b>"})
    with databases.reached("none", HOST=str(tmp_path)) as gone:
        with pytest.raises(OperationalError) as error:
            gone.ensure_connection()
        answer = database_error_page(request, error.value)
    said = answer.content.decode()
    assert (answer.status_code, "It is not known yet" in said, "&lt;b&gt;" in said) == (503, True, True)


LOOK_UP = f"{LIST}stored/"


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_decision_is_looked_up_once_the_database_is_back(desk, is_stored):
    page = f"{LIST}{make_anomaly().pk}/change/"
    opened = desk.get(page)
    fields = {**carried(opened), "action": "acknowledge", "note": "real", "sent_to": page}
    if is_stored:
        send(desk, page, opened, action="acknowledge", note="real")
    answer = desk.post(LOOK_UP, fields)
    said = "Your decision was stored" if is_stored else "Your decision was not stored"
    assert (answer.status_code, said in answer.content.decode()) == (200, True)
    assert (decisions(), page in answer.content.decode()) == (int(is_stored), True)


def test_while_the_database_is_gone_a_look_up_offers_another_of_the_same_form(desk):
    page = f"{LIST}{make_anomaly().pk}/change/"
    fields = {**carried(desk.get(page)), "action": "acknowledge", "note": "real", "sent_to": page}
    for _ in range(2):
        with ended(lambda sql: True):
            answer = desk.post(LOOK_UP, fields)
        assert answer.status_code == 503
        fields = {**carried(answer), "sent_to": page}
    assert f'<form method="post" action="{page}">' in answer.content.decode()
    assert (decisions(), desk.post(page, carried(answer)).status_code, decisions()) == (0, 302, 1)


def test_a_look_up_leads_to_no_other_site(desk):
    fields = {"batch": str(uuid4()), "sent_to": "//evil.example/"}
    assert "evil.example" not in desk.post(LOOK_UP, fields).content.decode()


def test_a_page_that_reads_is_offered_again(desk):
    with ended(lambda sql: True):
        answer = desk.get(LIST)
    assert (answer.status_code, "Try again" in answer.content.decode()) == (503, True)
    assert desk.get(LIST).status_code == 200


def test_a_password_is_not_sent_back(tmp_path):
    request = RequestFactory().post("/admin/login/", {"username": "ana", "password": "secret"})
    with databases.reached("none", HOST=str(tmp_path)) as gone:
        with pytest.raises(OperationalError) as error:
            gone.ensure_connection()
        answer = database_error_page(request, error.value)
    assert (answer.status_code, b"secret" in answer.content) == (503, False)
