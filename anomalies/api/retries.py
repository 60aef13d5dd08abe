"""Retries: a request that names itself by an Idempotency-Key is done once and answered as at first.

The answer is kept under the owner of the token and the key for a day, together with the SHA-256 of the
request; another request under the same key is refused (draft-ietf-httpapi-idempotency-key-header). The answer
is stored after the write is committed. If the process ends between the two, a retry is not lost either: a
decision has its key as its batch, which is applied once, and a line of an ingest has its own identity. What
has no identity is committed together with its answer (``once``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
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


def once(request: HttpRequest, key: UUID | None, write: Callable[[], Any]) -> Any:
    """The answer of ``write``, or the kept one of the same request under this key.

    What is written and the answer are committed together, so the same request sent twice at one moment is
    done once too. For a write without an identity of its own. Raises ProblemError (422) as ``answer_of``.
    """
    name = named(request, key)
    while True:
        if found := earlier(name):
            return answer_of(found, digest_of(request))
        with transaction.atomic():
            answer = write()
            if keep(name, digest_of(request), answer):
                return answer
            transaction.set_rollback(True)  # the other request's answer is kept by now


def keep(name: Named | None, digest: str, answer: Any) -> bool:
    """Keep an answer under the name of its request, and forget some that are older than a day.

    False where another answer is kept under it since.
    """
    if name is None:
        return True
    text, expired = json.dumps(answer, cls=DjangoJSONEncoder), timezone.now() - KEPT
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [name.owner, name.key, digest, text, expired])
        is_kept: bool = cursor.rowcount == 1
        cursor.execute(_FORGET, [expired])
    return is_kept
