"""The roll-up: figures by the hour, stream and status, current without reading the table.

Triggers append what each write changes (migration 0014); what is here folds that, checks it against the table
and makes it right again. What is not folded yet counts as well.
"""

from __future__ import annotations

from django.db import connection

from .models import AnomalyHourDelta

# Reading that many deltas beside the hours takes milliseconds; beyond, somebody should fold them.
WORTH_FOLDING = 5000

_TOTALS_AMISS = """
    SELECT stream_type, status, significant FROM (
        SELECT stream_type, status, significant, total, ncd_sum, p_sum FROM anomaly_totals
        UNION ALL SELECT stream_type, status, significant, -total, -ncd_sum, -p_sum FROM anomaly_hours
    ) AS difference
    GROUP BY 1, 2, 3 HAVING sum(total) <> 0 OR sum(ncd_sum) <> 0 OR sum(p_sum) <> 0
"""
_AMISS = f"""
    SELECT (hour AT TIME ZONE 'UTC')::text, stream_type, status, significant, total FROM anomaly_hours_missing
    UNION ALL SELECT NULL, stream_type, status, significant, NULL FROM ({_TOTALS_AMISS}) AS totals
    ORDER BY 1 NULLS LAST, 2, 3, 4
"""  # noqa: S608 -- a constant


def is_built() -> bool:
    """Whether the rows from before the roll-up are counted in it."""
    return not AnomalyHourDelta.objects.filter(hour=None).exists()


def fold() -> int | None:
    """Add what was appended to the hours; how many deltas that were, None where another one is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT fold_anomaly_hours()")
        return cursor.fetchone()[0]


def fold_if_many() -> None:
    """Fold where reading begins to take longer for want of it."""
    if AnomalyHourDelta.objects.order_by()[WORTH_FOLDING : WORTH_FOLDING + 1].values_list("id").exists():
        fold()


def rebuild() -> int:
    """Make the roll-up agree with the table, which is read once; how many hours were not right.

    Others may write, read and fold meanwhile; what they write counts.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT rebuild_anomaly_hours()")
        (corrected,) = cursor.fetchone()
        cursor.execute("SELECT fold_anomaly_hours()")
        return corrected


def differences() -> list[str]:
    """Where the roll-up and the table differ, of one moment, in a sentence each. Reads the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(_AMISS)
        rows = cursor.fetchall()
    words = [] if is_built() else ["rows from before the roll-up are not counted yet"]
    return words + [_in_words(*row) for row in rows]


def _in_words(hour: str | None, stream: str, status: str, significant: bool, missing: int | None) -> str:
    of = f"{stream} {status}{' significant' * significant}"
    if hour is None:
        return f"all hours, {of}: the total is not the sum of the hours"
    if not missing:
        return f"{hour} UTC, {of}: the sum of NCD or p is wrong"
    return f"{hour} UTC, {of}: {abs(missing)} {'missing in' if missing > 0 else 'too many in'} the roll-up"
