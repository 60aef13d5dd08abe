"""Retries: a request that names itself by an Idempotency-Key is done once and answered as at first.

The answer is kept under the owner of the token and the key for a day, together with the SHA-256 of the
request; another request under the same key is refused (draft-ietf-httpapi-idempotency-key-header). The answer
is stored after the write is committed. If the process ends between the two, a retry is not lost either: a
decision has its key as its batch, which is applied once, and a line of an ingest has its own identity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from anomalies.models import ApiAnswer

from .access import token_of
from .problems import ProblemError

KEPT = timedelta(days=1)
_FORGOTTEN_AT_ONCE = 100
_KEEP = f"""
    INSERT INTO {ApiAnswer._meta.db_table} AS kept (owner, key, digest, answer) VALUES (%s, %s, %s, %s)
    ON CONFLICT (owner, key) DO UPDATE
    SET digest = excluded.digest, answer = excluded.answer, created_at = now()
    WHERE kept.created_at <= %s
"""  # noqa: S608 -- the name of a table of ours
_FORGET = f"""
    DELETE FROM {ApiAnswer._meta.db_table} WHERE (owner, key) IN (
        SELECT owner, key FROM {ApiAnswer._meta.db_table} WHERE created_at <= %s
        ORDER BY created_at LIMIT {_FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 -- the name of a table of ours


@dataclass(frozen=True, slots=True)
class Named:
    """A request's name: the owner of its token and its Idempotency-Key."""

    owner: str
    key: UUID


def named(request: HttpRequest, key: UUID | None) -> Named | None:
    """The name of a request; None without an Idempotency-Key."""
    return Named(token_of(request).owner.get_username(), key) if key else None


def digest_of(request: HttpRequest) -> str:
    """The SHA-256 of a request: its method, address, If-Match and body."""
    head = [request.method, request.get_full_path(), request.headers.get("If-Match")]
    return hashlib.sha256(json.dumps(head).encode() + request.body).hexdigest()


def earlier(name: Named | None) -> ApiAnswer | None:
    """The answer that is kept under this name, if there is one."""
    if name is None:
        return None
    since = timezone.now() - KEPT
    return ApiAnswer.objects.filter(owner=name.owner, key=name.key, created_at__gt=since).first()


def answer_of(found: ApiAnswer, digest: str) -> Any:
    """The kept answer to the same request. Raises ProblemError (422) where the request is another."""
    if found.digest != digest:
        message = "was used for another request; choose a new UUID"
        raise ProblemError(
            422, f"Idempotency-Key {message}.", [{"field": "Idempotency-Key", "message": message}]
        )
    return json.loads(found.answer)


def keep(name: Named | None, digest: str, answer: Any) -> None:
    """Keep an answer under the name of its request, and forget some that are older than a day."""
    if name is None:
        return
    text, expired = json.dumps(answer, cls=DjangoJSONEncoder), timezone.now() - KEPT
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [name.owner, name.key, digest, text, expired])
        cursor.execute(_FORGET, [expired])
