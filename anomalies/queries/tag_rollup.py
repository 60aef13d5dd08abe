"""How many anomalies have a tag, of each stream and status: from the roll-up of tags, not from the table.

Triggers append to it what each write changes (migration 0027); it is folded, checked and made right again
together with the roll-up by the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import connection

from anomalies.models import TagDelta, TagTotal

LONGEST = TagTotal.LONGEST  # characters: a longer tag is not in the roll-up


@dataclass(frozen=True, slots=True)
class Tagged:
    """The anomalies with one tag, of these statuses and streams; of all of them where none is given."""

    tag: str
    statuses: Sequence[str] = ()
    streams: Sequence[str] = ()

    # True as long as rows from before the roll-up are not counted in it.
    UNBUILT: ClassVar = "EXISTS (SELECT FROM anomaly_tag_deltas WHERE tag IS NULL)"
    # Nothing of the table is needed beside the roll-up.
    is_told_alone: ClassVar = True

    def counts_as_sql(self) -> tuple[str, list[Any]]:
        """A statement for (status, stream_type, n), whatever statuses and streams are asked for."""
        return (
            "SELECT status, stream_type, sum(total)::bigint AS n FROM anomaly_tags_now WHERE tag = %s "
            "GROUP BY 1, 2 HAVING sum(total) <> 0",
            [self.tag],
        )


def is_built() -> bool:
    """Whether the rows from before the roll-up are counted in it."""
    return not TagDelta.objects.filter(tag=None).exists()


def differences() -> list[str]:
    """Where the roll-up of tags and the table differ, in a sentence each. Reads the whole table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tag, stream_type, status, total FROM anomaly_tags_missing ORDER BY 1, 2, 3")
        rows = cursor.fetchall()
    words = [] if is_built() else ["tags of rows from before their roll-up are not counted yet"]
    return words + [
        f"tag {tag!r}, {stream} {status}: "
        f"{abs(missing)} {'missing in' if missing > 0 else 'too many in'} the roll-up"
        for tag, stream, status, missing in rows
    ]
