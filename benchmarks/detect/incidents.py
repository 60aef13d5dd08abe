"""Incidents: one of a kind put into a stream of which nothing else is changed, found or not.

The generator is a module given by its path: `logs(kind, lines, random, at, foreign)` gives the lines and
where the incident begins and ends. It is found where an alarm overlaps its lines or the 60 behind them. `at
once` asks for an alarm that began 60 lines after its first line at the latest, in a stop after three times
the longest gap. `by chance` is the share of the places that alarms of the untouched stream overlap. Left out
are incidents that a stream has no room for: no such word or time, no status in a fifth of its lines.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain, pairwise
from pathlib import Path
from random import Random
from typing import Any

from anomalies.detection import GUESSED_FROM, Event, Parameters, TimestampReader, detect, guess
from benchmarks.detect import yardsticks
from benchmarks.detect.former import alarms as former
from benchmarks.detect.streams.more_systems import MORE
from benchmarks.detect.streams.systems import HELD_OUT, SYSTEMS, TUNED_ON
from benchmarks.detect.table import Table, mean

KINDS = ("flip", "status", "value", "flood", "stop", "mix", "level", "silence", "foreign")
LATE = 60  # lines
_SIZE, _AT = 2_000, 0.6
_WRITTEN = datetime(2026, 11, 24, tzinfo=UTC)
_STATUS = re.compile(r"\b(200|201|204|304)\b")
Span = tuple[int, int]
Ways = Mapping[str, Callable[[Sequence[str]], list[Span]]]


@dataclass(frozen=True)
class Incident:
    """A stream with one incident, and the alarms that a way raises for it and for the untouched stream."""

    name: str
    kind: str
    lines: list[str]
    first: int
    last: int
    patience: int  # lines after which it has to be seen

    def is_found(self, spans: Sequence[Span]) -> bool:
        end = self.last + LATE
        return any(first <= end and last >= self.first for first, last in spans)

    def is_found_at_once(self, spans: Sequence[Span]) -> bool:
        end = self.first + self.patience
        return any(first <= end and last >= self.first for first, last in spans)


def ours(lines: Sequence[str]) -> list[Span]:
    """The alarms of the engine with its defaults, by first and last line. It reads the lines as `manage.py
    detect` reads a file that was last written at `_WRITTEN`, which gives the year to times without one."""
    raw = [line.encode() for line in lines]
    form = guess(raw[:GUESSED_FROM], TimestampReader(_WRITTEN))
    results = chain.from_iterable(form.read(number, line, len(line)) for number, line in enumerate(raw, 1))
    events = (one for one in results if isinstance(one, Event))
    return [(one.first_line, one.last_line) for one in detect(events, Parameters()) if one.is_significant]


WAYS: Ways = {
    "ours": ours,
    "former": former.spans,
    "new template": yardsticks.new_templates,
    "rate z-score": yardsticks.rates,
    "keyword": yardsticks.keywords,
}


def generator(path: Path) -> Any:
    """The module that puts incidents into streams."""
    spec = spec_from_file_location("incident_generator", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def systems(names: Sequence[str], seed: int) -> dict[str, list[str]]:
    """Continuous streams of these systems, 2,000 lines each."""
    made = {**SYSTEMS, **MORE}
    return {name: made[name](Random(f"{name} {seed}"), _SIZE) for name in names}


def incidents(streams: Mapping[str, list[str]], make: Any, seed: int) -> list[Incident]:
    """One incident of each kind in each stream, where the stream has what the kind needs."""
    found = []
    names = [*streams]
    for name, lines in streams.items():
        foreign = streams[names[(names.index(name) + 1) % len(names)]]
        for kind in KINDS:
            if kind == "status" and sum(map(bool, map(_STATUS.search, lines))) < len(lines) / 5:
                continue
            try:
                out, first, last = make.logs(kind, lines, Random(f"{name} {kind} {seed}"), _AT, foreign)
            except (SystemExit, ValueError, IndexError):
                continue  # no such word, number or time in this stream
            found.append(Incident(name, kind, out, first + 1, last, _patience(kind, lines, out, first, make)))
    return found


def _patience(kind: str, lines: list[str], out: list[str], first: int, make: Any) -> int:
    if kind != "stop":
        return LATE
    shapes = [make.shape(line) for line in lines[:first]]
    gone = set(shapes) - {make.shape(line) for line in out[first:]}
    longest = 0
    for shape in gone:
        places = [at for at, one in enumerate(shapes) if one == shape]
        if len(places) >= first * 0.04:
            longest = max(b - a for a, b in pairwise(places))
    return max(LATE, 3 * longest)


@cache
def _untouched(way: str, lines: tuple[str, ...]) -> list[Span]:
    return WAYS[way](lines)


def measure(streams: Mapping[str, list[str]], make: Any, seed: int, ways: Sequence[str]) -> Mapping[str, Any]:
    """Return for each way: found, found at once and by chance, by kind; and alarms for each 1,000 lines."""
    result: dict[str, Any] = {}
    all_incidents = incidents(streams, make, seed)
    for way in ways:
        by_kind: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
        for one in all_incidents:
            spans, before = WAYS[way](one.lines), _untouched(way, tuple(streams[one.name]))
            by_kind[one.kind].append((one.is_found(spans), one.is_found_at_once(spans), one.is_found(before)))
        counts = [1_000 * len(_untouched(way, tuple(lines))) / len(lines) for lines in streams.values()]
        result[way] = {"kinds": dict(by_kind), "alarms": mean(counts), "worst": max(counts)}
    return result


def rows(
    name: str, streams: Mapping[str, list[str]], make: Any, table: Table, targets: tuple[float, float, float]
) -> None:
    """Print what is found in these streams, apart from foreign lines; those; and the alarms without any."""
    found = measure(streams, make, 1, [*WAYS])
    least, foreign, most = targets
    others = [way for way in WAYS if way != "ours"]
    count = sum(len(hits) for kind, hits in found["ours"]["kinds"].items() if kind != "foreign")
    by_chance = _share(found["ours"], False, 2)
    table.row(
        f"{name}: {count} incidents found", _share(found["ours"], False), least,
        **{way: _share(found[way], False) for way in others}, by_chance=by_chance,
    )  # fmt: skip
    at_once = {way: _share(found[way], False, 1) for way in others}
    table.note("  of them at once", _share(found["ours"], False, 1), **at_once)
    lines = {way: _share(found[way], True) for way in others}
    table.row(f"{name}: foreign lines found", _share(found["ours"], True), foreign, **lines)
    for kind in KINDS[:-1]:
        if kind in found["ours"]["kinds"]:
            hits = {way: [hit[0] for hit in found[way]["kinds"][kind]] for way in WAYS}
            own = hits.pop("ours")
            table.note(f"  {kind}, {len(own)}", mean(own), **{way: mean(one) for way, one in hits.items()})
    alarms = {way: found[way]["alarms"] for way in others}
    words = f"{name}: alarms for each 1,000 lines, untouched"
    table.row(words, found["ours"]["alarms"], most, at_most=True, worst=found["ours"]["worst"], **alarms)


def _share(found: Mapping[str, Any], of_foreign: bool, column: int = 0) -> float:
    kinds = found["kinds"]
    return mean([hit[column] for kind in kinds for hit in kinds[kind] if (kind == "foreign") == of_foreign])


def missed(streams: Mapping[str, list[str]], make: Any, seed: int) -> list[Incident]:
    """The incidents that are not found: to look at."""
    return [one for one in incidents(streams, make, seed) if not one.is_found(ours(one.lines))]


__all__ = ["HELD_OUT", "MORE", "TUNED_ON", "generator", "missed", "rows", "systems"]
