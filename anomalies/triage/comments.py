"""Comments about an anomaly: a conversation beside its decisions, which changes neither status nor version.

A comment names people as @username: those who may see anomalies find it on their start page. It stays as it
was written; its author can withdraw it, and the audit log keeps the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.fields import Now
from anomalies.languages import formats
from anomalies.models import LONGEST_COMMENT, Anomaly, Comment, Mention
from anomalies.permissions import deciders, viewers

from .decisions import DecisionError, clean_note

MOST_NAMED = 20  # people in one comment
# Django's characters of a username; what precedes the @ keeps an e-mail address from being a name.
_NAME = re.compile(r"(?<![\w.@+-])@+([\w.+-][\w.@+-]*)")
_STOPS = ".+-@"  # end a sentence rather than a name, where there is nobody of the longer name


class CommentError(DecisionError):
    """A comment that can't be stored or withdrawn as given; the message says why."""


class NoSuchComment(CommentError):
    """There is no such anomaly, or no such comment about it."""


@dataclass(frozen=True, slots=True)
class Added:
    """A stored comment, and the @names in its text that are nobody's who could see it."""

    comment: Comment
    unknown: tuple[str, ...]


def add(anomaly_id: UUID, text: str, actor: Actor, key: UUID | None = None) -> Added:
    """Store a comment of the actor's. Sent again with the same ``key``, its id, it is stored once.

    Raises CommentError, or DecisionError for text that PostgreSQL can't store.
    """
    text = _checked(text, actor)
    if not Anomaly.objects.filter(pk=anomaly_id).exists():
        raise NoSuchComment(_("There is no anomaly %(id)s.") % {"id": anomaly_id})
    key = key or uuid4()
    named, unknown = _people(text)
    new = Comment(id=key, anomaly_id=anomaly_id, author=actor.username, text=text, named=named)
    with acting(actor, batch=str(key)):
        Comment.objects.bulk_create([new], ignore_conflicts=True)
        stored = Comment.objects.get(pk=key)
        if (stored.anomaly_id, stored.author, stored.text) != (anomaly_id, actor.username, text):
            raise CommentError(_("Another comment has this key; choose a new UUID."))
        _mention(stored)
    return Added(stored, unknown)


def withdraw(anomaly_id: UUID, comment: UUID, actor: Actor) -> bool:
    """Withdraw a comment of the actor's; False where it is withdrawn already. Raises CommentError."""
    found = Comment.objects.filter(pk=comment, anomaly_id=anomaly_id).first()
    if found is None:
        raise NoSuchComment(_("There is no such comment about this anomaly."))
    if found.author != actor.username:
        words = _("Only %(name)s, who wrote the comment, can withdraw it.")
        raise CommentError(words % {"name": found.author})
    with acting(actor):
        return bool(Comment.objects.filter(pk=comment, withdrawn_at=None).update(withdrawn_at=Now()))


def _checked(text: str, actor: Actor) -> str:
    """The text without surrounding space, its lines ended by line feeds as a browser's are not."""
    text = clean_note(text, "comment").replace("\r\n", "\n")
    if not text:
        raise CommentError(_("The comment is empty; write what others should know."))
    if len(text) > LONGEST_COMMENT:
        words = _("The comment has %(count)s characters; shorten it to %(most)s.")
        about = {"count": formats.count(len(text)), "most": formats.count(LONGEST_COMMENT)}
        raise CommentError(words % about)
    if actor.username not in deciders():
        raise CommentError(_("A comment needs an author who may decide about anomalies."))
    return text


def _people(text: str) -> tuple[list[str], tuple[str, ...]]:
    """The accounts that a text names and the names that are nobody's, both in the order of the text."""
    words = list(dict.fromkeys(_NAME.findall(text)))
    forms = {word: [word, word.rstrip(_STOPS)] for word in words}
    known = set(viewers().filter(username__in={form for both in forms.values() for form in both}))
    found = {word: next((form for form in both if form in known), "") for word, both in forms.items()}
    named = list(dict.fromkeys(filter(None, found.values())))
    if len(named) > MOST_NAMED:
        said = _("The comment names %(count)s people; name at most %(most)s.")
        raise CommentError(said % {"count": len(named), "most": MOST_NAMED})
    return named, tuple(forms[word][1] for word in words if not found[word] and forms[word][1])


def _mention(comment: Comment) -> None:
    rows = [
        Mention(
            username=name,
            created_at=comment.created_at,
            comment_id=comment.pk,
            anomaly_id=comment.anomaly_id,
        )
        for name in comment.named
    ]
    Mention.objects.bulk_create(rows, ignore_conflicts=True)
