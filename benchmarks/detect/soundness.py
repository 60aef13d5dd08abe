"""False alarms: how often normal streams reach a p-value, clean ones and such with anomalies among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from benchmarks.detect import logs, metrics, traces
from benchmarks.detect.streams.data import Log, Series, Sessions
from benchmarks.detect.table import Table, mean

_TARGETS = {"real": (0.06, 0.02), "shuffled": (0.06, 0.02)}
_RATES = (0.01, 0.02, 0.05)


def measure(
    found: Sequence[Log], series: Sequence[Series], sessions: Sequence[Sessions], table: Table
) -> None:
    """Each stream without what is labelled anomalous; the mean over all streams, and the worst one."""
    for order, targets in _TARGETS.items():
        shuffled = order == "shuffled"
        both = [logs.normal_p(log, shuffled) for log in found]
        parts = {
            "logs": [ps for ps, _ in both],
            "series": [metrics.normal_p(one, shuffled) for one in series],
            "sessions": [traces.normal_p(one, shuffled) for one in sessions],
        }
        ours = [ps for part in parts.values() for ps in part if ps]
        for level, target in zip((0.05, 0.01), targets, strict=True):
            shares = [_share(one, level) for one in ours]
            others = {"naive_on_logs": mean([_share(ps, level) for _, ps in both])} if both else {}
            table.row(
                f"false alarms, {order} order, p ≤ {level:g}, {len(shares)} streams",
                mean(shares), target, at_most=True, worst=max(shares), **others, always_alarm=1,
            )  # fmt: skip
        for name, part in parts.items():
            if part:
                shares = [_share(one, 0.05) for one in part]
                table.note(f"  of them {len(part)} {name}, p ≤ 0.05", mean(shares))


def with_anomalies(streams: Mapping[str, list[str]], table: Table) -> None:
    """The same for the normal lines of streams in which foreign lines are 1, 2 and 5 %."""
    for rate in _RATES:
        shares = {
            level: [_among_foreign(streams, name, rate, level) for name in streams] for level in (0.05, 0.01)
        }
        for level, target in ((0.05, 0.06), (0.01, 0.02)):
            words = f"false alarms, {rate:.0%} of all lines foreign, p ≤ {level:g}"
            table.row(words, mean(shares[level]), target, at_most=True, worst=max(shares[level]))


def _among_foreign(streams: Mapping[str, list[str]], name: str, rate: float, level: float) -> float:
    random = Random(f"{name} {rate}")
    others = [line for other in streams if other != name for line in streams[other]]
    lines: list[tuple[str, bool]] = []
    for line in streams[name]:
        if random.random() < rate:
            lines.append((random.choice(others), True))
        lines.append((line, False))
    ps = logs.p_values(logs.read([line.encode() for line, _ in lines]))
    return _share([p for p, (_, foreign) in zip(ps, lines, strict=True) if not foreign][logs.COLD :], level)


def _share(ps: Sequence[float], level: float) -> float:
    return mean([p <= level for p in ps])
