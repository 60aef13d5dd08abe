"""Foreign lines that come again and again: one each 60 or 150 lines, each of another template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from anomalies.detection import pattern_of
from benchmarks.detect import yardsticks
from benchmarks.detect.incidents import WAYS
from benchmarks.detect.table import Table, mean

if TYPE_CHECKING:
    from drain3 import TemplateMiner

_FIRST = 400


def mixed(
    lines: Sequence[str], others: Sequence[str], every: int, random: Random
) -> tuple[list[str], list[int]]:
    """Return the lines with a foreign one put in at each `every`th, and the numbers of those.

    Each is the first of its template by Drain3, which has read all lines and the foreign ones before it.
    """
    known = set(map(pattern_of, lines))
    drain = yardsticks.miner()
    for pattern in sorted(known):
        drain.add_log_message(pattern)
    strange = [line for line in others if _is_new(drain, pattern_of(line))]
    pool = random.sample(strange, len(strange))
    out, places = list(lines[:_FIRST]), []
    for begin in range(_FIRST, len(lines), every):
        if pool:
            out.append(pool.pop())
            places.append(len(out))
        out += lines[begin : begin + every]
    return out, places


def _is_new(drain: TemplateMiner, pattern: str) -> bool:
    return bool(drain.add_log_message(pattern)["change_type"] == "cluster_created")


def rows(
    streams: Mapping[str, list[str]], donors: Mapping[str, list[str]], table: Table, ways: Sequence[str]
) -> None:
    """Print the share that is found, and the alarms for each 1,000 lines that are of none of them."""
    names = [*streams]
    for every, target in ((150, 0.95), (60, 0.85)):
        found: dict[str, list[float]] = {way: [] for way in ways}
        extra: dict[str, list[float]] = {way: [] for way in ways}
        for name in names:
            others = [line for other in donors if other != name for line in donors[other]]
            lines, places = mixed(streams[name], others, every, Random(f"{name} {every}"))
            for way in ways:
                spans = WAYS[way](lines)
                hits = [any(first <= at <= last for first, last in spans) for at in places]
                found[way].append(mean(hits))
                empty = [span for span in spans if not any(span[0] <= at <= span[1] for at in places)]
                extra[way].append(1_000 * len(empty) / len(lines))
        others_found = {way: mean(found[way]) for way in ways if way != "ours"}
        table.row(f"one foreign line each {every} lines, found", mean(found["ours"]), target,
                  worst=min(found["ours"]), **others_found)  # fmt: skip
        table.note("  other alarms for each 1,000 lines", mean(extra["ours"]),
                   **{way: mean(extra[way]) for way in ways if way != "ours"})  # fmt: skip
