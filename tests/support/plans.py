"""The plan of a statement, from EXPLAIN ANALYZE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

_LOOKED_AT = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


def explain(sql: str) -> dict[str, Any]:
    """The plan of a statement, which is executed."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
        plan = cursor.fetchone()[0]
    found: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return found


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan that read an index or a table."""
    if "Scan" in plan["Node Type"]:
        yield plan
    for step in plan.get("Plans", ()):
        yield from scans(step)


def rows_read(plan: dict[str, Any], table: str = "anomalies") -> float:
    """Return how many rows of the table, or entries of its indexes, were read, discarded ones included."""
    steps = [
        step
        for step in scans(plan)
        if step.get("Relation Name") == table or step["Node Type"] == "Bitmap Index Scan"
    ]
    return sum(step.get(kind, 0) * step["Actual Loops"] for step in steps for kind in _LOOKED_AT)


def blocks_read(plan: dict[str, Any]) -> int:
    """The number of blocks read, from the cache or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def indexes_of(plan: dict[str, Any], table: str = "anomalies") -> set[str]:
    """The indexes by which the table was read, and "Seq Scan" or the like where it was by none."""
    return {
        step.get("Index Name", step["Node Type"])
        for step in scans(plan)
        if step.get("Relation Name") == table
        and step["Actual Loops"]
        and step["Node Type"] != "Bitmap Heap Scan"
    } | {
        step["Index Name"]
        for step in scans(plan)
        if step["Node Type"] == "Bitmap Index Scan" and step["Actual Loops"]
    }


def empty_table() -> None:
    """Give the table of anomalies fresh files: rows that other tests rolled back are in its blocks."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL driftlock.requires_actor = off")
        cursor.execute("TRUNCATE anomalies")
