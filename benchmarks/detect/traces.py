"""Traces: sessions by label, after a number of normal ones."""

from __future__ import annotations

from random import Random

from anomalies.detection import Event, Parameters
from anomalies.detection.scoring.scorers import SCORERS
from anomalies.detection.scoring.sessions import Sessions as Coder
from anomalies.detection.significance import joined
from benchmarks.detect.figures import auc, best_f1, ncd
from benchmarks.detect.logs import COLD
from benchmarks.detect.streams.data import Sessions
from benchmarks.detect.table import Table


def normal_p(sessions: Sessions, shuffled: bool) -> list[float]:
    """The p-values of the normal sessions alone, warm."""
    steps = Random(1).sample(sessions.normal, len(sessions.normal)) if shuffled else sessions.normal
    scorer = SCORERS["traces"](Parameters())
    events = (Event(at, "", None, session=str(at), steps=tuple(one)) for at, one in enumerate(steps, 1))
    return [joined(scorer.take(event, True), scorer.weights) for event in events][COLD:]


def measure(sessions: Sessions, table: Table) -> None:
    for size, target in ((100, 0.92), (1_000, 0.99)):
        if len(sessions.normal) < 2 * size:
            continue
        learnt, rest = sessions.normal[:size], [*sessions.normal[size:], *sessions.abnormal]
        labels = [False] * (len(sessions.normal) - size) + [True] * len(sessions.abnormal)
        coder = Coder()
        for number, steps in enumerate(learnt):
            coder.take(steps, number)
        scores = [float(coder.take(steps, 0, learn=False).weight) for steps in rest]
        baseline = "\n".join(" ".join(steps) for steps in learnt[-100:]).encode()
        known = {step for steps in learnt for step in steps}
        unknown = [float(sum(step not in known for step in steps)) for steps in rest]
        distance = [ncd(baseline, " ".join(steps).encode()) for steps in rest]
        table.row(
            f"{sessions.name} sessions: best F1 after {size:,} normal ones", best_f1(scores, labels), target,
            naive=best_f1(distance, labels), unknown_step=best_f1(unknown, labels),
            always_alarm=best_f1([1.0] * len(labels), labels),
        )  # fmt: skip
        table.note(
            f"{sessions.name} sessions: AUC after {size:,}", auc(scores, labels), naive=auc(distance, labels)
        )
