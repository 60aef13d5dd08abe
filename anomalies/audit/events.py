"""Events that change no row, such as logins and exports; the SQL function ``audit_event`` writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection

from anomalies.schema.search_path import ours

from .actor import Actor, acting

_LONGEST = 255  # characters kept of a text that came from outside


def record_event(
    action: str, actor: Actor, resource_type: str = "session", resource_id: UUID | None = None, **about: Any
) -> None:
    """Write an audit entry for an ``action`` of ``actor``: "login", "login failed", "export", ….

    ``about`` becomes its metadata. Characters that PostgreSQL can't store are replaced, and texts are cut at
    255 characters. Raises DatabaseError for an action that is not an event.
    """
    kept = {name: keepable(value) if isinstance(value, str) else value for name, value in about.items()}
    someone = replace(actor, username=keepable(actor.username))
    with acting(someone), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ours('audit_event')}(%s::text, %s::text, %s::uuid, %s::jsonb)",
            [action, resource_type, resource_id, json.dumps(kept)],
        )


def keepable(text: str) -> str:
    """A text from outside in storable form: no NUL, no lone surrogate, at most 255 characters."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean[:_LONGEST]
