"""The separation of sessions by label: frozen and learning on, against yardsticks in the same run.

    python -m benchmarks.sessions FOLDER [--orders 5]

FOLDER holds pairs NAME_normal.csv and NAME_abnormal.csv, at any depth, with lines of `id,"e1 e2 …"`. The
first N normal sessions (100, 1,000) are learnt, the rest is scored three ways: frozen; as a stream that has
the abnormal ones evenly among the normal ones, all of which are learnt; and as the same stream when the
abnormal ones are not learnt, as if each had been acknowledged at once. Then frozen with the normal sessions
in other orders (fixed seeds): the mean and the worst of them. Printed are the best F1 of any threshold and
the AUC. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import perf_counter

from anomalies.detection.scoring.sessions import Sessions as Memory
from benchmarks.detect.figures import auc, best_f1, ncd
from benchmarks.detect.streams.data import Sessions, sessions_in
from benchmarks.detect.table import Table, mean

TARGETS = {100: 0.85, 1_000: 0.91}
_LONGEST = 2**27  # characters of a cell
_NCD_SESSIONS = 100  # of the baseline, which compression compares a session with

Steps = Sequence[str]
Scored = tuple[list[float], list[bool]]


def main(folder: Path, orders: int) -> int:
    """Print the table; 0 where every target is reached, 1 where not, 2 where there is nothing to measure."""
    csv.field_size_limit(_LONGEST)
    found = [one for one in sessions_in(folder) if one.abnormal and len(one.normal) > min(TARGETS)]
    if not found:
        print(
            f"{folder} holds no NAME_abnormal.csv with a NAME_normal.csv of over {min(TARGETS)} sessions",
            file=sys.stderr,
        )
        return 2
    table = Table()
    for sessions in found:
        table.head(f"{sessions.name}: {len(sessions.normal):,} normal, {len(sessions.abnormal):,} abnormal")
        for size, target in TARGETS.items():
            if len(sessions.normal) > size:
                _measure(sessions, size, target, orders, table)
        table.note("sessions a second, learning", _speed(sessions))
    print(f"\n{len(table.missed)} targets missed")
    return bool(table.missed)


def _measure(sessions: Sessions, size: int, target: float, orders: int, table: Table) -> None:
    ours = frozen(sessions, size)
    others = {name: by(sessions, size) for name, by in YARDSTICKS.items()}
    table.row(
        f"best F1 after {size:,}", best_f1(*ours), target,
        **{name: best_f1(*scored) for name, scored in others.items()},
    )  # fmt: skip
    table.note(f"AUC after {size:,}", auc(*ours), **{name: auc(*scored) for name, scored in others.items()})
    for name, faults in (("learning on", True), ("faults not learnt", False)):
        going_on = learning(sessions, size, faults)
        table.note(f"best F1 after {size:,}, {name}", best_f1(*going_on))
        table.note(f"AUC after {size:,}, {name}", auc(*going_on))
    if orders:
        shuffled = [best_f1(*frozen(_in_other_order(sessions, seed), size)) for seed in range(orders)]
        name = f"best F1 after {size:,}, {orders} other orders: mean"
        table.note(name, mean(shuffled), worst=min(shuffled))


def frozen(sessions: Sessions, size: int) -> Scored:
    """Learn `size` normal sessions, then score the rest without learning."""
    memory = _learnt(sessions, size)
    return _scored(sessions, size, lambda steps: memory.take(steps, 0, learn=False).weight)


def learning(sessions: Sessions, size: int, faults: bool) -> Scored:
    """Learn `size` normal sessions, then score each of the rest when it comes, and learn it.

    `faults` says whether the abnormal ones are learnt, too.
    """
    memory = _learnt(sessions, size)
    stream = mixed(sessions.normal[size:], sessions.abnormal)
    weights = [
        float(memory.take(steps, size + at, learn=faults or not label).weight)
        for at, (steps, label) in enumerate(stream)
    ]
    return weights, [label for _, label in stream]


def mixed(normal: Sequence[Steps], abnormal: Sequence[Steps]) -> list[tuple[Steps, bool]]:
    """Return both as one stream, each in its order, the abnormal ones evenly among the normal ones."""
    placed = [((at + 0.5) / len(normal), False, steps) for at, steps in enumerate(normal)]
    placed += [((at + 0.5) / len(abnormal), True, steps) for at, steps in enumerate(abnormal)]
    return [(steps, label) for _, label, steps in sorted(placed, key=lambda one: one[:2])]


def by_ncd(sessions: Sessions, size: int) -> Scored:
    """The naive way: NCD by zstd-3 of a session against the last sessions of the baseline."""
    baseline = "\n".join(map(" ".join, sessions.normal[max(0, size - _NCD_SESSIONS) : size])).encode()
    return _scored(sessions, size, lambda steps: ncd(baseline, " ".join(steps).encode()))


def by_unknown_step(sessions: Sessions, size: int) -> Scored:
    """Score sessions by the number of steps that the baseline never had."""
    known = {step for steps in sessions.normal[:size] for step in steps}
    return _scored(sessions, size, lambda steps: sum(step not in known for step in steps))


def by_length(sessions: Sessions, size: int) -> Scored:
    """Score sessions by the distance of their length from the range of the baseline's."""
    lengths = [len(steps) for steps in sessions.normal[:size]]
    least, most = min(lengths), max(lengths)
    return _scored(sessions, size, lambda steps: max(least - len(steps), len(steps) - most, 0))


def always(sessions: Sessions, size: int) -> Scored:
    return _scored(sessions, size, lambda steps: 1)


YARDSTICKS: dict[str, Callable[[Sessions, int], Scored]] = {
    "NCD": by_ncd,
    "unknown_step": by_unknown_step,
    "length": by_length,
    "always_alarm": always,
}


def _learnt(sessions: Sessions, size: int) -> Memory:
    memory = Memory()
    for number, steps in enumerate(sessions.normal[:size]):
        memory.take(steps, number)
    return memory


def _scored(sessions: Sessions, size: int, score: Callable[[Steps], float]) -> Scored:
    rest = sessions.normal[size:]
    labels = [False] * len(rest) + [True] * len(sessions.abnormal)
    return [float(score(steps)) for steps in [*rest, *sessions.abnormal]], labels


def _in_other_order(sessions: Sessions, seed: int) -> Sessions:
    normal = Random(seed).sample(sessions.normal, len(sessions.normal))
    return Sessions(sessions.name, normal, sessions.abnormal)


def _speed(sessions: Sessions) -> float:
    memory = Memory()
    began = perf_counter()
    for number, steps in enumerate(sessions.normal):
        memory.take(steps, number)
    return len(sessions.normal) / (perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Sessions by label, against yardsticks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=5, help="how many other orders (5)")
    given = parser.parse_args()
    raise SystemExit(main(given.folder, given.orders))
