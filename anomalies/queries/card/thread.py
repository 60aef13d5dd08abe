"""The comments about an anomaly, in the order of time, read in the statement that reads the anomaly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL

MOST_COMMENTS = 200  # the newest of an anomaly, as far as they are read
_THREAD = f"""
    (SELECT jsonb_agg(
         jsonb_build_array(id, author, CASE WHEN withdrawn_at IS NULL THEN text END, named, created_at,
                           withdrawn_at)
         ORDER BY created_at, id)::text
     FROM (SELECT * FROM anomaly_comments AS about WHERE about.anomaly_id = anomalies.id
           ORDER BY created_at DESC, id DESC LIMIT {MOST_COMMENTS}) AS newest)
"""  # noqa: S608 -- a constant


@dataclass(frozen=True, slots=True)
class ThreadComment:
    """A comment as a reader has it: without a ``text`` where it is withdrawn."""

    id: UUID
    author: str
    text: str | None
    named: tuple[str, ...]
    created_at: datetime
    withdrawn_at: datetime | None


def with_thread(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate each row with ``thread_text``: its newest comments as JSON, NULL without any."""
    thread = RawSQL(_THREAD, (), output_field=TextField())  # noqa: S611 - a constant
    commented: QuerySet[Any] = rows.annotate(thread_text=thread)
    return commented


def thread_of(anomaly: Any) -> list[ThreadComment]:
    """Return the comments of an anomaly that was read ``with_thread``, the oldest first."""
    return [
        ThreadComment(
            UUID(key),
            author,
            text,
            tuple(named),
            datetime.fromisoformat(at),
            datetime.fromisoformat(withdrawn) if withdrawn else None,
        )
        for key, author, text, named, at, withdrawn in json.loads(anomaly.thread_text or "[]")
    ]
