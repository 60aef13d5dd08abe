"""False alarms: how often normal streams reach a p-value, in their real order and shuffled."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.detect import logs, metrics, traces
from benchmarks.detect.data import Log, Series, Sessions
from benchmarks.detect.table import Table, mean

_TARGETS = {"real": (0.065, 0.04), "shuffled": (0.06, 0.02)}


def measure(
    found: Sequence[Log], series: Sequence[Series], sessions: Sequence[Sessions], table: Table
) -> None:
    """Each stream without what is labelled anomalous; the mean over all streams, and the worst one."""
    for order, targets in _TARGETS.items():
        shuffled = order == "shuffled"
        both = [logs.normal_p(log, shuffled) for log in found]
        ours = [ps for ps, _ in both] + [metrics.normal_p(one, shuffled) for one in series]
        ours += [traces.normal_p(one, shuffled) for one in sessions]
        for level, target in zip((0.05, 0.01), targets, strict=True):
            shares = [_share(one, level) for one in ours if one]
            others = {"naive_on_logs": mean([_share(ps, level) for _, ps in both])} if both else {}
            table.row(
                f"false alarms, {order} order, p ≤ {level:g}, {len(shares)} streams",
                mean(shares), target, at_most=True, worst=max(shares), **others, always_alarm=1,
            )  # fmt: skip
        for name, part in (("logs", found), ("series", series), ("sessions", sessions)):
            if part:
                rows = ours[: len(found)] if name == "logs" else ours[len(found) : len(found) + len(series)]
                rows = ours[len(found) + len(series) :] if name == "sessions" else rows
                table.note(
                    f"  of them {len(rows)} {name}, p ≤ 0.05", mean([_share(one, 0.05) for one in rows])
                )


def _share(ps: Sequence[float], level: float) -> float:
    return mean([p <= level for p in ps])
