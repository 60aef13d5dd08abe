"""Comments: stored once, on record, never changed, withdrawn by their author only; and whom they name."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction

from anomalies.audit import Actor, acting, history
from anomalies.audit.changes_since import was_stored
from anomalies.models import LONGEST_COMMENT, Anomaly, AuditLog, Comment, Mention
from anomalies.triage.comments import MOST_NAMED, Added, CommentError, add, withdraw
from anomalies.triage.decisions import DecisionError
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

ANA, BOB = Actor("ana", "10.0.0.7", via="/admin/"), Actor("bob")


@pytest.fixture(autouse=True)
def people(db) -> None:
    for role, name in (("analyst", "ana"), ("analyst", "bob"), ("viewer", "vic"), ("lead", "lena.m")):
        make_user(role, name)
    User.objects.create_user("outsider", is_staff=True)


def said(text: str, actor: Actor = ANA, **given: Any) -> Added:
    return add(make_anomaly().pk, text, actor, **given)


def entries(comment: UUID) -> list[tuple[str, str, Any]]:
    rows = AuditLog.objects.filter(resource_type="comment", metadata__id=str(comment)).order_by("id")
    return [(row.username, row.action, row.new_values) for row in rows]


def test_a_comment_has_its_author_and_the_time_of_the_database():
    comment = said("  is this\r\nthe disk?\n ").comment
    assert (comment.author, comment.text) == ("ana", "is this\nthe disk?")
    assert comment.created_at is not None


def test_a_comment_changes_neither_status_nor_version_nor_the_history_of_decisions():
    anomaly = make_anomaly()
    before = Anomaly.objects.values("status", "version", "updated_at").get(pk=anomaly.pk), history(anomaly.pk)
    add(anomaly.pk, "hm", ANA)
    after = Anomaly.objects.values("status", "version", "updated_at").get(pk=anomaly.pk), history(anomaly.pk)
    assert after == before


def test_writing_and_withdrawing_are_on_record_with_the_text_and_the_anomaly():
    comment = said("ask @bob").comment
    assert withdraw(comment.anomaly_id, comment.pk, ANA)
    (by, action, new), (_, second, _) = entries(comment.pk)
    assert (by, action, second) == ("ana", "create", "withdraw")
    assert (new["text"], new["named"]) == ("ask @bob", ["bob"])
    assert AuditLog.objects.filter(resource_type="comment", resource_id=comment.anomaly_id).count() == 2


@pytest.mark.parametrize(
    ("text", "named", "unknown"),
    [
        ("@bob look", ["bob"], ()),
        ("is it (@bob)? and @bob, @vic", ["bob", "vic"], ()),
        ("ask @lena.m. or @bob.", ["lena.m", "bob"], ()),
        ("mail ana@bob or root@bob.example", [], ()),
        ("@nobody and @bob", ["bob"], ("nobody",)),
        ("@outsider sees no anomalies", [], ("outsider",)),
        ("@ @. @@bob @Bob", ["bob"], ("Bob",)),
        ("no name", [], ()),
    ],
)
def test_a_name_after_an_at_sign_is_an_account_that_may_see_anomalies(text, named, unknown):
    added = said(text)
    assert (added.comment.named, added.unknown) == (named, unknown)
    assert set(Mention.objects.values_list("username", flat=True)) == set(named)


def test_an_account_that_is_not_active_is_nobody():
    User.objects.filter(username="bob").update(is_active=False)
    assert said("@bob").unknown == ("bob",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \r\n ", "empty"),
        ("x" * (LONGEST_COMMENT + 1), "10,001 characters"),
        ("a\0b", "NUL"),
        ("a\ud800b", "surrogate"),
    ],
)
def test_a_text_that_can_not_be_stored_is_refused_with_the_reason(text, words):
    with pytest.raises(DecisionError, match=words):
        said(text)
    assert not Comment.objects.exists()


def test_a_comment_names_a_bounded_number_of_people():
    names = [make_user("viewer", f"v{number}").username for number in range(MOST_NAMED + 1)]
    with pytest.raises(CommentError, match=f"names {MOST_NAMED + 1} people"):
        said(" ".join(f"@{name}" for name in names))


@pytest.mark.parametrize("name", ["vic", "outsider", "nobody"])
def test_who_may_not_decide_writes_no_comment(name):
    with pytest.raises(CommentError, match="may decide"):
        said("x", Actor(name))


def test_a_comment_sent_twice_with_its_key_is_stored_once():
    anomaly, key = make_anomaly(), uuid4()
    assert add(anomaly.pk, "ask @bob", ANA, key).comment == add(anomaly.pk, "ask @bob", ANA, key).comment
    assert (len(entries(key)), Mention.objects.count()) == (1, 1)
    assert was_stored(key)


def test_a_key_of_another_comment_is_refused():
    anomaly, key = make_anomaly(), uuid4()
    add(anomaly.pk, "one", ANA, key)
    for where, text, who in (
        (anomaly.pk, "two", ANA),
        (anomaly.pk, "one", BOB),
        (make_anomaly().pk, "one", ANA),
    ):
        with pytest.raises(CommentError, match="key"):
            add(where, text, who, key)


def test_there_is_no_comment_about_an_anomaly_that_is_not_there():
    with pytest.raises(CommentError, match="no anomaly"):
        add(uuid4(), "x", ANA)


def test_only_its_author_withdraws_a_comment_and_only_once():
    comment = said("x").comment
    with pytest.raises(CommentError, match="Only ana"):
        withdraw(comment.anomaly_id, comment.pk, BOB)
    with pytest.raises(CommentError, match="no such comment"):
        withdraw(uuid4(), comment.pk, ANA)
    assert withdraw(comment.anomaly_id, comment.pk, ANA)
    assert not withdraw(comment.anomaly_id, comment.pk, ANA)
    assert [action for _, action, _ in entries(comment.pk)] == ["create", "withdraw"]


@pytest.mark.parametrize(
    "change",
    [{"text": "y"}, {"author": "bob"}, {"named": ["bob"]}, {"withdrawn_at": None}, {"anomaly_id": uuid4()}],
)
def test_the_database_refuses_to_change_a_comment(change):
    comment = said("x").comment
    withdraw(comment.anomaly_id, comment.pk, ANA)
    with pytest.raises(DatabaseError, match="stays as it was written"), transaction.atomic(), acting(ANA):
        Comment.objects.filter(pk=comment.pk).update(**change)


def test_the_database_refuses_a_comment_without_text_author_or_measure():
    for wrong in ({"text": ""}, {"author": ""}, {"text": "x" * (LONGEST_COMMENT + 1)}):
        with pytest.raises(IntegrityError), transaction.atomic(), acting(ANA):
            Comment.objects.create(**{"anomaly_id": uuid4(), "author": "ana", "text": "x", **wrong})
