"""The people who have the page of an anomaly open: a row for each person and anomaly, which lasts a minute.

The page asks every 20 seconds while its tab is visible; asking keeps one's own row. Nothing of it is recorded
in the audit log. The statement locks its own row first and then deletes what has expired, of which it skips
what is locked: so no two of them wait for each other.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anomalies.languages.words import listed

NAMED = 3  # people; of more than these it is only known that there are others
_LASTS, _KEPT_FRESH = "interval '1 minute'", "interval '15 seconds'"
_EXPIRED = 100  # rows deleted by one request

_LOOK = f"""
    WITH seen AS (
        INSERT INTO anomaly_viewers (anomaly_id, username, seen_at)
        SELECT id, %(who)s, now() FROM anomalies WHERE id = %(anomaly)s
        ON CONFLICT (anomaly_id, username) DO UPDATE SET seen_at = now()
        WHERE anomaly_viewers.seen_at < now() - {_KEPT_FRESH} RETURNING 1
    ), expired AS (
        DELETE FROM anomaly_viewers WHERE (anomaly_id, username) IN (
            SELECT anomaly_id, username FROM anomaly_viewers
            WHERE seen_at < now() - {_LASTS} AND (anomaly_id, username) <> (%(anomaly)s, %(who)s)
              AND (SELECT count(*) FROM seen) >= 0
            ORDER BY seen_at LIMIT {_EXPIRED} FOR UPDATE SKIP LOCKED
        )
    )
    SELECT username FROM anomaly_viewers
    WHERE anomaly_id = %(anomaly)s AND username <> %(who)s AND seen_at >= now() - {_LASTS}
    ORDER BY username LIMIT {NAMED + 1}
"""  # noqa: S608 -- constants


def look(anomaly: UUID, username: str) -> list[str]:
    """Note that this person looks at an anomaly; return the others who do, NAMED + 1 at most.

    Empty for a role or a server that may not write.
    """
    found: list[str] = []
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOOK, {"anomaly": anomaly, "who": username})
        found = [name for (name,) in cursor.fetchall()]
    return found


def in_words(names: list[str]) -> str:
    """Say who looks at it: "ana is looking at this"; '' for nobody."""
    if not names:
        return ""
    if len(names) > NAMED:
        names = [*names[: NAMED - 1], _("others")]
    words = ngettext("%(people)s is looking at this", "%(people)s are looking at this", len(names))
    return words % {"people": listed(names)}
