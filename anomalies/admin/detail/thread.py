"""The comments on an anomaly's page: the thread, and the form to add one."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from anomalies import permissions
from anomalies.models import LONGEST_COMMENT
from anomalies.queries.card.thread import MOST_COMMENTS, ThreadComment, thread_of, with_thread

from ..ui import formatting as show

_ROWS = 3


class CommentForm(forms.Form):
    """A comment; ``key`` is its id, so that a form sent twice stores it once."""

    text = forms.CharField(
        label=_("Comment"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": _ROWS, "cols": 60, "maxlength": LONGEST_COMMENT}),
        error_messages={"required": _("The comment is empty; write what others should know.")},
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_comment_%s", **kwargs})


def with_comments(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate each row with its comments, and with ``viewers``, the names of all who may see it."""
    commented: QuerySet[Any] = with_thread(rows).annotate(viewers=ArraySubquery(permissions.viewers()))
    return commented


def thread(request: HttpRequest, anomaly: Any) -> dict[str, Any]:
    """Return what the page shows of the comments, with a form for those who may decide."""
    comments = thread_of(anomaly)
    found: dict[str, Any] = {
        "thread": [_shown(comment) for comment in comments],
        "has_older_comments": len(comments) == MOST_COMMENTS,
        "most_comments": MOST_COMMENTS,
        "viewers": anomaly.viewers,
    }
    if permissions.can_decide(request.user):
        found["comment_form"] = CommentForm(initial={"key": uuid4()})
    return found


def _shown(comment: ThreadComment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "author": comment.author,
        "text": _marked(comment.text or "", comment.named),
        "at": comment.created_at,
        "withdrawn_at": comment.withdrawn_at,
    }


def _marked(text: str, named: Collection[str]) -> SafeString | str:
    """The text, safe to show, with the named accounts marked."""
    if not named:
        return show.visible(text, LONGEST_COMMENT)
    names = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
    parts = re.split(rf"(?<![\w.@+-])(@(?:{names}))(?!\w)", text)
    return format_html_join("", "{}", ((_part(part, number % 2 == 1),) for number, part in enumerate(parts)))


def _part(text: str, is_name: bool) -> SafeString | str:
    safe = show.visible(text, LONGEST_COMMENT)
    return format_html('<strong class="mention">{}</strong>', safe) if is_name else safe
