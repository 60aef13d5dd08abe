"""Events that change no row: logins, exports. The database's function ``audit_event`` writes their
entries."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.db import connection

from anomalies.schema.search_path import ours

from .actor import Actor, acting

_LONGEST = 255  # of a text that somebody outside chose


def record_event(
    action: str, actor: Actor, resource_type: str = "session", resource_id: UUID | None = None, **about: Any
) -> None:
    """Write an audit entry that ``actor`` did ``action``: "login", "login failed", "export", ….

    ``about`` goes into its metadata. Texts are kept as far as PostgreSQL can store them, and cut at 255
    characters. Raises DatabaseError for an action that is not an event.
    """
    kept = {name: keepable(value) if isinstance(value, str) else value for name, value in about.items()}
    someone = Actor(keepable(actor.username), actor.address, actor.via)
    with acting(someone), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ours('audit_event')}(%s::text, %s::text, %s::uuid, %s::jsonb)",
            [action, resource_type, resource_id, json.dumps(kept)],
        )


def keepable(text: str) -> str:
    """A text from outside as an entry can hold it: no NUL, no lone surrogate, at most 255 characters."""
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean[:_LONGEST]
