"""Comments on an anomaly's page: the thread, the form, who is named, and what a hostile text can do."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor, acting
from anomalies.models import Anomaly, AuditLog, Comment
from anomalies.queries.card.thread import MOST_COMMENTS
from anomalies.triage.comments import add, withdraw
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly, make_user
from tests.support.forms import LIST, messages_of, page_of

pytestmark = pytest.mark.django_db

ANA, BOB = Actor("ana"), Actor("bob")


@pytest.fixture
def desk(client: Client) -> Client:
    make_user("analyst", "bob")
    client.force_login(make_user("analyst", "ana"))
    return client


def page(client: Client, anomaly: Any) -> str:
    return client.get(page_of(anomaly)).content.decode()


def thread(client: Client, anomaly: Any) -> str:
    return page(client, anomaly).split('<h2 id="comments">')[1].split("</section>")[0]


def send(client: Client, anomaly: Any, **typed: Any) -> Any:
    return client.post(f"{LIST}{anomaly.pk}/comment/", {"key": str(uuid4()), **typed})


def stored(anomaly: Any, text: str, at: datetime) -> None:
    with acting(ANA):
        Comment.objects.create(anomaly_id=anomaly.pk, author="ana", text=text, created_at=at)


def test_a_comment_is_added_and_shown_with_its_author(desk):
    anomaly = make_anomaly()
    answer = send(desk, anomaly, text="is it the disk?\r\n@bob")
    assert answer["Location"] == f"{page_of(anomaly)}#comments"
    assert messages_of(answer) == "Comment added."
    shown = thread(desk, anomaly)
    assert "<strong>ana</strong>" in shown
    assert '<blockquote>is it the disk?\n<strong class="mention">@bob</strong></blockquote>' in shown
    assert '<a href="#comments">1 comment</a>' in page(desk, anomaly)


def test_comments_stand_in_the_order_of_time(desk):
    anomaly = make_anomaly()
    for minute, text in ((2, "third"), (0, "first"), (1, "second")):
        stored(anomaly, text, NOON + timedelta(minutes=minute))
    assert re.findall(r"<blockquote>(\w+)", thread(desk, anomaly)) == ["first", "second", "third"]


def test_the_form_is_sent_with_the_key_of_its_page_and_stored_once(desk):
    anomaly = make_anomaly()
    [key] = re.findall(r'name="key" value="([^"]+)"', thread(desk, anomaly))
    for _ in range(2):
        send(desk, anomaly, text="x", key=key)
    assert [str(comment.pk) for comment in Comment.objects.all()] == [key]


def test_who_wrote_and_from_where_is_on_record(desk):
    anomaly = make_anomaly()
    send(desk, anomaly, text="x")
    entry = AuditLog.objects.get(resource_type="comment")
    assert (entry.username, entry.ip_address, entry.metadata["via"]) == (
        "ana",
        "127.0.0.1",
        f"{LIST}{anomaly.pk}/comment/",
    )


def test_a_name_that_nobody_has_stays_text_and_the_page_says_so(desk):
    anomaly = make_anomaly()
    answer = send(desk, anomaly, text="@bob, ask @nobody")
    assert "Nobody who sees anomalies has the username @nobody: it stays plain text." in messages_of(answer)
    assert "ask @nobody</blockquote>" in thread(desk, anomaly)


@pytest.mark.parametrize("typed", [{"text": " \n"}, {"text": "x" * 10_001}, {"text": "a", "key": "no"}, {}])
def test_a_comment_that_can_not_be_stored_is_shown_again_with_the_reason(desk, typed):
    answer = send(desk, make_anomaly(), **typed)
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert 'class="errorlist"' in shown and "Add comment" in shown and typed.get("text", "") in shown
    assert not Comment.objects.exists()


HOSTILE = "<script>x</script> \u202egnp\x07 {{ x }} &amp; @bob\"><img src=x onerror=y> '"


def test_a_hostile_comment_is_shown_as_text(desk):
    anomaly = make_anomaly()
    send(desk, anomaly, text=HOSTILE)
    shown = thread(desk, anomaly)
    assert "<script>x" not in shown and "<img" not in shown and "\u202e" not in shown and "\x07" not in shown
    assert "&lt;script&gt;x&lt;/script&gt;" in shown and "&amp;amp;" in shown
    assert "script-src" in desk.get(page_of(anomaly)).headers["Content-Security-Policy"]


def test_its_author_withdraws_a_comment_whose_text_then_is_not_shown(desk):
    anomaly = make_anomaly()
    comment = add(anomaly.pk, "secret", ANA).comment
    assert f'name="withdraw" value="{comment.pk}"' in thread(desk, anomaly)
    assert "Comment withdrawn." in messages_of(send(desk, anomaly, withdraw=str(comment.pk)))
    shown = thread(desk, anomaly)
    assert "withdrawn" in shown and "secret" not in shown and 'name="withdraw"' not in shown


def test_nobody_withdraws_the_comment_of_somebody_else(desk):
    anomaly = make_anomaly()
    comment = add(anomaly.pk, "mine", BOB).comment
    assert 'name="withdraw"' not in thread(desk, anomaly)
    assert "Only bob" in messages_of(send(desk, anomaly, withdraw=str(comment.pk)))
    for wrong in (str(uuid4()), "x"):
        assert "no such comment" in messages_of(send(desk, anomaly, withdraw=wrong))
    assert not Comment.objects.exclude(withdrawn_at=None).exists()


def test_a_viewer_reads_the_thread_and_has_no_form(client, viewer):
    make_user("analyst", "ana")
    anomaly = make_anomaly()
    add(anomaly.pk, "hello", ANA)
    client.force_login(viewer)
    shown = thread(client, anomaly)
    assert "hello" in shown and "<form" not in shown
    assert send(client, anomaly, text="x").status_code == 403


def test_a_comment_needs_no_version_so_that_an_old_page_adds_one(desk):
    anomaly = make_anomaly()
    decide("acknowledge", [anomaly.pk], BOB)
    version = Anomaly.objects.values_list("version", flat=True).get(pk=anomaly.pk)
    assert "Comment added." in messages_of(send(desk, anomaly, text="late"))
    assert Anomaly.objects.values_list("version", flat=True).get(pk=anomaly.pk) == version


def test_the_names_that_complete_are_those_who_see_anomalies(desk):
    make_user("viewer", "vic")
    names = re.findall(r'<option value="([^"]*)"></option>', thread(desk, make_anomaly()))
    assert names == ["ana", "bob", "vic"]


def test_the_comment_returns_to_the_page_it_was_written_on(desk):
    anomaly = make_anomaly()
    here = f"{page_of(anomaly)}?queue=status%3Dpending"
    assert send(desk, anomaly, text="x", next=here)["Location"] == f"{here}#comments"
    elsewhere = send(desk, anomaly, text="x", next="https://example.org/")
    assert elsewhere["Location"] == f"{page_of(anomaly)}#comments"


@pytest.mark.parametrize("key", ["no-id", str(UUID(int=1))])
def test_an_anomaly_that_is_not_there_leads_to_the_list(desk, key):
    answer = desk.post(f"{LIST}{key}/comment/", {"text": "x", "key": str(uuid4())})
    assert (answer.status_code, answer["Location"]) == (302, LIST)


def test_a_thread_costs_no_query_of_its_own_and_shows_a_bounded_number(desk):
    anomaly = make_anomaly()
    page(desk, anomaly)
    with CaptureQueriesContext(connection) as before:
        page(desk, anomaly)
    for number in range(MOST_COMMENTS + 1):
        stored(anomaly, f"c{number}.", NOON + timedelta(minutes=number))
    withdraw(anomaly.pk, Comment.objects.get(text="c3.").pk, ANA)
    with CaptureQueriesContext(connection) as after:
        shown = thread(desk, anomaly)
    assert len(after) == len(before)
    assert "c0." not in shown and "c1." in shown and f"The newest {MOST_COMMENTS} are shown." in shown
