"""The deletion of archived anomalies: in small parts, each recorded, and not faster than replicas follow.

A row is deleted only in the version that was archived: one that somebody changed since stays, and so does
one that another program has locked. The audit entry of each names the SHA-256 of the manifest; the database
leaves the evidence out of it (migration 0052), since the archive has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from anomalies.audit import Actor, acting
from anomalies.queries.export import ROW_VERSION
from anomalies.schema.search_path import ours

from .archive_file import Archive

AT_ONCE = 500  # rows in one transaction
_PAUSE = 0.5  # seconds between two looks at the replicas

_DELETE = """
    WITH asked AS (
        SELECT * FROM unnest(%s::uuid[], %s::text[]) AS asked (id, version)
    ), held AS (
        SELECT anomalies.ctid FROM {anomalies} AS anomalies JOIN asked USING (id)
        WHERE {version} = asked.version
        FOR UPDATE OF anomalies SKIP LOCKED
    )
    DELETE FROM {anomalies} WHERE ctid = ANY (ARRAY(SELECT ctid FROM held))
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """The rows that were deleted and kept so far; ``waits_for`` names a replica that is behind, else ''."""

    deleted: int
    kept: int
    waits_for: str = ""


def delete(archive: Archive, actor: Actor, most_behind: int) -> Iterator[Progress]:
    """Delete an archive's rows and yield the progress after each part.

    ``most_behind`` is the number of bytes of WAL that a replica may be behind before the next part.
    """
    deleted = kept = 0
    for start in range(0, len(archive.rows), AT_ONCE):
        while behind := _behind(most_behind):
            yield Progress(deleted, kept, behind)
            time.sleep(_PAUSE)
        part = archive.rows[start : start + AT_ONCE]
        with acting(actor, archive=archive.sha256), connection.cursor() as cursor:
            ids, versions = [str(each) for each, _ in part], [version for _, version in part]
            cursor.execute(_DELETE.format(anomalies=ours("anomalies"), version=ROW_VERSION), [ids, versions])
            deleted += cursor.rowcount
            kept += len(part) - cursor.rowcount
        yield Progress(deleted, kept)


def _behind(most: int) -> str:
    """The name of the replica that is furthest behind, if it is more than ``most`` bytes behind; else ''.

    A role without pg_read_all_stats sees no positions, and waits for nobody.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_stat_replication "
            "WHERE pg_wal_lsn_diff(sent_lsn, replay_lsn) > %s "
            "ORDER BY pg_wal_lsn_diff(sent_lsn, replay_lsn) DESC LIMIT 1",
            [most],
        )
        row = cursor.fetchone()
    return row[0] or "a replica" if row else ""
