"""SQL about one pattern: its description, and its standing decisions (acknowledged or dismissed at present).

The newest decisions are read along idx_anomalies_pattern_decided. The range of the pattern is written as two
comparisons, so that the order by both columns of the index is answered by that index alone. Of a table that
the planner takes for a tiny one it would sort the rows instead, so these statements run in ``index_order``:
then LIMIT bounds the entries read, whatever it expects.
"""

from __future__ import annotations

# A time may be infinite, which Python can't hold. What was decided at the moment of its arrival was decided
# by a rule, or by the program that stored it.
DECISION = """id, status, dismissal_reason,
    CASE status WHEN 'acknowledged' THEN acknowledged_by ELSE dismissed_by END AS who,
    CASE WHEN isfinite(coalesce(acknowledged_at, dismissed_at))
         THEN coalesce(acknowledged_at, dismissed_at) END AS at,
    coalesce(acknowledged_at, dismissed_at) = created_at AS is_on_arrival"""


def newest_decisions(pattern: str, most: int | str) -> str:
    """A subquery in SQL: DECISION of the newest standing decisions about a pattern, ``most`` at most."""
    return f"""(
        SELECT {DECISION} FROM (
            SELECT * FROM anomalies
            WHERE pattern >= {pattern} AND pattern <= {pattern}
              AND (acknowledged_at IS NOT NULL OR dismissed_at IS NOT NULL)
            ORDER BY pattern, coalesce(acknowledged_at, dismissed_at) DESC LIMIT {most}
        ) AS anomalies WHERE status IN ('acknowledged', 'dismissed')
    )"""  # noqa: S608 -- the arguments are SQL of ours


def described(pattern: str) -> str:
    """A subquery in SQL: stream, source and template of a pattern, whether it is folded already or not."""
    return f"""(
        SELECT stream_type, source, template FROM anomaly_patterns WHERE key = {pattern}
        UNION ALL
        SELECT stream_type, source, template FROM anomaly_pattern_deltas
        WHERE pattern = {pattern} AND template IS NOT NULL
        LIMIT 1
    )"""  # noqa: S608 -- the argument is SQL of ours
