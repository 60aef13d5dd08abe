"""The hourly roll-up: figures by hour, stream and status, always current, without reading the table.

Theory: counts and sums are additive, so the figures of the table are the sum of the changes made to it.
Triggers append the change of each write as a delta row (migration 0019), in the same transaction, so a delta
is visible exactly when its write is. Appending locks no shared counter, hence writers don't wait for each
other. Folding adds deltas to the hours and deletes them in one transaction; a reader sums hours and the
remaining deltas and gets the same result before and after. A difference from the table shows a trigger that
was disabled or a figure that was edited; `rebuild` corrects it.

Every statement names the schema of its tables, and the comparison runs in a transaction in which no other
object can replace a named one (``pinned``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from anomalies.models import Status
from anomalies.replica.reading import on_primary
from anomalies.schema.search_path import ours, pinned

from . import tag_rollup
from .bounded.sql import Sql, named
from .bounded.together import Read, Rows
from .patterns import rollup as pattern_rollup

# Reading that many deltas in addition to the hours takes milliseconds; more are worth folding.
WORTH_FOLDING = 5000
_MANY = """
    SELECT EXISTS (SELECT FROM {hour_deltas} OFFSET %(many)s)
        OR EXISTS (SELECT FROM {tag_deltas} OFFSET %(many)s)
        OR EXISTS (SELECT FROM {pattern_deltas} OFFSET %(many)s)
"""

_UNEQUAL = "HAVING sum(total) <> 0 OR sum(ncd_sum) <> 0 OR sum(p_sum) <> 0"
_TOTALS_AMISS = f"""
    SELECT stream_type, status, significant FROM (
        SELECT stream_type, status, significant, total, ncd_sum, p_sum FROM {{totals}}
        UNION ALL SELECT stream_type, status, significant, -total, -ncd_sum, -p_sum FROM {{hours}}
    ) AS difference
    GROUP BY 1, 2, 3 {_UNEQUAL}
"""  # noqa: S608 -- a constant
# The content of the view anomaly_hours_missing, read from the tables: a view can be replaced.
_HOURS_AMISS = f"""
    SELECT hour, stream_type, status, significant, sum(total)::bigint AS total FROM (
        SELECT date_trunc('hour', timestamp, 'UTC') AS hour, stream_type, status,
               is_statistically_significant AS significant,
               1 AS total, ncd_score::numeric AS ncd_sum, p_value::numeric AS p_sum FROM {{anomalies}}
        UNION ALL SELECT hour, stream_type, status, significant, -total, -ncd_sum, -p_sum FROM {{hours}}
        UNION ALL SELECT hour, stream_type, status, significant, -total, -ncd_sum, -p_sum FROM {{deltas}}
        WHERE hour IS NOT NULL
    ) AS difference
    GROUP BY 1, 2, 3, 4 {_UNEQUAL}
"""  # noqa: S608 -- a constant
_AMISS = f"""
    SELECT (hour AT TIME ZONE 'UTC')::text, stream_type, status, significant, total
    FROM ({_HOURS_AMISS}) AS hours
    UNION ALL SELECT NULL, stream_type, status, significant, NULL FROM ({_TOTALS_AMISS}) AS totals
    ORDER BY 1 NULLS LAST, 2, 3, 4
"""  # noqa: S608 -- a constant


_SUMS = "SELECT stream_type, status, significant, total, ncd_sum, p_sum FROM"
_ROWS = """
    SELECT stream_type, status, is_statistically_significant, 1, ncd_score::numeric, p_value::numeric
    FROM {anomalies} WHERE timestamp >= %s AND timestamp < %s
"""
_COUNTS = ", ".join(
    f"(coalesce(sum(total) FILTER (WHERE status = '{status}'), 0))::bigint AS {status}_count"
    for status in Status.values
)
_FIGURES = f"""
    SELECT stream_type, sum(total)::bigint AS total_anomalies,
           (coalesce(sum(total) FILTER (WHERE significant), 0))::bigint AS significant_anomalies,
           (sum(ncd_sum) / sum(total))::float8 AS avg_ncd_score,
           (sum(p_sum) / sum(total))::float8 AS avg_p_value, {_COUNTS}
    FROM ({{source}}) AS part (stream_type, status, significant, total, ncd_sum, p_sum)
    WHERE {{where}} GROUP BY stream_type HAVING sum(total) <> 0
"""  # noqa: S608 -- the values are parameters


_BY_HOUR = """
    SELECT stream_type, extract(hour FROM hour AT TIME ZONE 'UTC')::integer,
           (sum(ncd_sum) / sum(total))::float8, sum(total)::bigint
    FROM {hours} WHERE hour >= %s GROUP BY 1, 2 HAVING sum(total) <> 0 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of anomalies by the roll-up's dimensions; an empty one selects all.

    ``since`` is included, ``until`` is excluded.
    """

    streams: Sequence[str] = ()
    statuses: Sequence[str] = ()
    significant: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    @staticmethod
    def unbuilt() -> str:
        """SQL that is true as long as rows from before the roll-up are not counted in it."""
        return f"EXISTS (SELECT FROM {ours('anomaly_hour_deltas')} WHERE hour IS NULL)"

    @property
    def answers_alone(self) -> bool:
        """True if the roll-up answers without reading the table: for whole hours."""
        return all(moment is None or _hour_of(moment) == moment for moment in (self.since, self.until))

    def where(self) -> tuple[str, list[Any]]:
        """An SQL condition on stream_type, status and significant, and its values."""
        given = {
            "stream_type::text = ANY (%s::text[])": list(self.streams) or None,
            "status::text = ANY (%s::text[])": list(self.statuses) or None,
            "significant = %s": self.significant,
        }
        asked = {condition: value for condition, value in given.items() if value is not None}
        return " AND ".join(asked) or "true", list(asked.values())

    def counts_as_sql(self) -> tuple[str, list[Any]]:
        """An SQL statement for (status, stream_type, n), and its values."""
        figures, values = figures_as_sql(self)
        pairs = ", ".join(f"('{status}', {status}_count)" for status in Status.values)
        counts = f"LATERAL (VALUES {pairs}) AS counted (status, n)"
        return f"SELECT status, stream_type, n FROM ({figures}) AS figures, {counts}", values  # noqa: S608


def is_built() -> bool:
    """True if the rows from before the roll-up are counted in it."""
    return built().now()


def built() -> Read[bool]:
    """The read of ``is_built``."""
    return Read(Sql(f"SELECT NOT {Selection.unbuilt()}"), _only)


def _only(rows: Rows) -> bool:
    [(value,)] = rows
    return bool(value)


def fold() -> int | None:
    """Fold the appended deltas into the roll-ups; returns their number, None if another fold is running."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ours('fold_anomaly_hours')}() + {ours('fold_anomaly_tags')}() "
            f"+ {ours('fold_anomaly_patterns')}()"
        )
        folded: int | None = cursor.fetchone()[0]
    return folded


def fold_if_many() -> None:
    """Fold if there are more than WORTH_FOLDING deltas; does nothing for a role that may not write."""
    if many_deltas().now():
        fold_if_allowed()


def many_deltas() -> Read[bool]:
    """True if there are more than WORTH_FOLDING deltas of one roll-up."""
    deltas = {f"{each}_deltas": ours(f"anomaly_{each}_deltas") for each in ("hour", "tag", "pattern")}
    return Read(named(_MANY.format(**deltas), many=WORTH_FOLDING), _only)


def fold_if_allowed() -> None:
    """Fold on the primary; does nothing for a role or a server that may not write."""
    with on_primary(), suppress(DatabaseError), transaction.atomic():
        fold()


def rebuild() -> int:
    """Recompute the roll-ups from the table, which is read three times; returns the number of wrong figures.

    Writes, reads and folds may run at the same time; the writes are counted.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {ours('rebuild_anomaly_hours')}()")
        (hours,) = cursor.fetchone()
        cursor.execute(f"SELECT {ours('rebuild_anomaly_tags')}()")
        (tags,) = cursor.fetchone()
        cursor.execute(f"SELECT {ours('rebuild_anomaly_patterns')}()")
        (patterns,) = cursor.fetchone()
    fold()
    return int(hours + tags + patterns)


def figures(selection: Selection) -> list[dict[str, Any]]:
    """The columns of the view ``anomaly_stats_by_stream`` for the selected anomalies, one dict per stream.

    Partial hours at the start and the end are read from the table, by the index on time.
    """
    with connection.cursor() as cursor:
        cursor.execute(*figures_as_sql(selection))
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def by_hour_of_day(since: datetime) -> list[tuple[str, int, float, int]]:
    """The stream, hour of the day (UTC), mean NCD and number of anomalies, from this whole hour on."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_HOUR.format(hours=ours("anomaly_hours_now")), [since])
        return [(stream, hour, mean, total) for stream, hour, mean, total in cursor.fetchall()]


def figures_as_sql(selection: Selection) -> tuple[str, list[Any]]:
    """The statement of ``figures`` and its values, for use in a larger statement."""
    source, values = _source(selection)
    where, more = selection.where()
    return _FIGURES.format(source=source, where=where), values + more


def _source(selection: Selection) -> tuple[str, list[Any]]:
    """The SQL of the parts to sum for a time range: whole hours, and the rows of partial ones."""
    since, until = selection.since, selection.until
    if since is None and until is None:
        return f"{_SUMS} {ours('anomaly_totals_now')}", []
    rows = _ROWS.format(anomalies=ours("anomalies"))
    first, last = since and _next_hour(since), until and _hour_of(until)
    if first and last and first > last:
        return rows, [since, until]
    parts, values = [], []
    bounds = [("hour >= %s", first), ("hour < %s", last)]
    parts.append(
        f"{_SUMS} {ours('anomaly_hours_now')} WHERE "
        + " AND ".join(words for words, moment in bounds if moment)
    )
    values += [moment for _, moment in bounds if moment]
    for start, end in ((since, first), (last, until)):
        if start and end and start < end:
            parts.append(rows)
            values += [start, end]
    return " UNION ALL ".join(parts), values


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _next_hour(moment: datetime) -> datetime:
    hour = _hour_of(moment)
    return hour if hour == moment else hour + timedelta(hours=1)


def differences() -> list[str]:
    """A sentence for each difference between the roll-up and the table, from one snapshot.

    Reads the whole table.
    """
    tables = {
        "anomalies": ours("anomalies"),
        "hours": ours("anomaly_hours"),
        "totals": ours("anomaly_totals"),
        "deltas": ours("anomaly_hour_deltas"),
    }
    with pinned() as cursor:
        cursor.execute(_AMISS.format(**tables))
        rows = cursor.fetchall()
        cursor.execute(f"SELECT {Selection.unbuilt()}")
        words = ["rows from before the roll-up are not counted yet"] if cursor.fetchone()[0] else []
    return words + [_in_words(*row) for row in rows] + tag_rollup.differences() + pattern_rollup.differences()


def _in_words(hour: str | None, stream: str, status: str, significant: bool, missing: int | None) -> str:
    of = f"{stream} {status}{' significant' * significant}"
    if hour is None:
        return f"all hours, {of}: the total is not the sum of the hours"
    if not missing:
        return f"{hour} UTC, {of}: the sum of NCD or p is wrong"
    return f"{hour} UTC, {of}: {tag_rollup.amiss(missing)}"
