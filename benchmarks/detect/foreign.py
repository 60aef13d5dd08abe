"""Foreign lines that come again and again: one each 60 or 150 lines, each of another template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from anomalies.detection import pattern_of
from benchmarks.detect import yardsticks
from benchmarks.detect.incidents import WAYS
from benchmarks.detect.table import Table, mean

_FIRST = 400


def mixed(
    lines: Sequence[str], others: Sequence[str], every: int, random: Random
) -> tuple[list[str], list[int]]:
    """Return the lines with a foreign one put in at each `every`th, and the numbers of those."""
    known = set(map(pattern_of, lines))
    drain = yardsticks.miner()
    strange = [line for line in others if drain.add_log_message(line)["change_type"] == "cluster_created"]
    strange = [line for line in strange if pattern_of(line) not in known]
    pool = random.sample(strange, len(strange))
    out, places = list(lines[:_FIRST]), []
    for begin in range(_FIRST, len(lines), every):
        if pool:
            out.append(pool.pop())
            places.append(len(out))
        out += lines[begin : begin + every]
    return out, places


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
