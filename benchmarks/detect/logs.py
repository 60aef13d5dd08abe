"""Logs: false alarms, foreign lines, labelled lines, and which line is named first."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from anomalies.detection.scoring.surprise import Reader
from anomalies.detection.scoring.text_memory import Memory
from anomalies.detection.significance import History, Judged, Weights, conformal
from benchmarks.detect.data import Log, normalised
from benchmarks.detect.figures import auc, best_f1, by_keyword, by_new_template, ncd, permutation_p
from benchmarks.detect.table import Table, mean

BASELINE, WINDOW, COLD = 100, 10, 99  # COLD: windows before the history is long enough
_EVERY, _FIRST = 150, 400
_NAIVE_EVERY = 20  # the naive way is asked about every so manieth window: it takes 200 times as long


def weights_of(lines: Sequence[str], learnt: Sequence[bool] | None = None) -> list[int]:
    memory = Memory(BASELINE)
    known = learnt or [True] * len(lines)
    return [memory.take(line, at, known[at]).weight for at, line in enumerate(lines)]


def p_values(weights: Sequence[int]) -> list[float]:
    """The p of each window, from the first one on."""
    history, found = History(), []
    for end in range(BASELINE + WINDOW, len(weights) + 1):
        window = weights[end - WINDOW : end]
        weighed = Weights(sum(window), max(window))
        found.append(conformal(weighed, history).p_value)
        history.add(Judged(end - WINDOW, end, weighed))
    return found


def normal_p(log: Log, shuffled: bool) -> tuple[list[float], list[float]]:
    """The p-values of a log without what is labelled, warm: ours, and the naive way's."""
    lines = normalised(log.normal)
    if shuffled:
        lines = Random(1).sample(lines, len(lines))
    return p_values(weights_of(lines))[COLD:], _naive_p([line.encode() for line in lines])


def _naive_p(lines: Sequence[bytes]) -> list[float]:
    size, random = BASELINE + WINDOW, Random(2)
    return [
        permutation_p(lines[at : at + size], WINDOW, random)
        for at in range(0, len(lines) - size, _NAIVE_EVERY)
    ]


def foreign_lines(logs: Sequence[Log], table: Table) -> None:
    for run, target in ((3, 0.95), (1, 0.85)):
        ours, naive = [], []
        for log in (one.normal for one in logs):
            for donor in (one.normal for one in logs):
                if donor.name != log.name:
                    found, by_permutation = _injected(log, donor, run)
                    ours.append(mean(found))
                    naive.append(mean(by_permutation))
        words = f"{run} foreign line{'s' * (run > 1)} found, p ≤ .02, {len(ours)} pairs of logs"
        table.row(words, mean(ours), target, worst_pair=min(ours), naive=mean(naive), always_alarm=1)


def _injected(log: Log, donor: Log, run: int) -> tuple[list[bool], list[bool]]:
    lines, others = normalised(log), normalised(donor)
    found, naive, random = [], [], Random(3)
    for place in range(_FIRST, min(len(lines), len(others)) - run - 2 * WINDOW, _EVERY):
        mixed = [*lines[:place], *others[place : place + run], *lines[place : place + WINDOW]]
        inside = range(place - BASELINE - WINDOW + 1, place + run - BASELINE)
        ps = p_values(weights_of(mixed))
        found.append(min(ps[at] for at in inside if at < len(ps)) <= 0.02)
        # The naive way gets the window that holds most of them.
        held = [*lines[place - BASELINE - WINDOW + run : place], *others[place : place + run]]
        naive.append(permutation_p([line.encode() for line in held], WINDOW, random) <= 0.02)
    return found, naive


def labelled(log: Log, table: Table) -> None:
    """Events of a labelled log, those acknowledged kept out of learning."""
    lines, alerts = normalised(log), log.alerts
    learnt = [not alert for alert in alerts]
    ours = weights_of(lines, learnt)[BASELINE:]
    labels = alerts[BASELINE:]
    keyword = by_keyword(lines)[BASELINE:]
    template = by_new_template(lines, learnt)[BASELINE:]
    table.row(
        f"{log.name}: event AUC", auc(ours, labels), 0.96,
        keyword=auc(keyword, labels), new_template=auc(template, labels), always_alarm=0.5,
    )  # fmt: skip
    table.row(
        f"{log.name}: best F1 of events", best_f1(ours, labels), 0.75,
        keyword=best_f1(keyword, labels), new_template=best_f1(template, labels),
        always_alarm=best_f1([1.0] * len(labels), labels), NCD_of_windows=_ncd_f1(log),
    )  # fmt: skip


def _ncd_f1(log: Log) -> float:
    ends = range(BASELINE + WINDOW, len(log.raw) + 1)
    scores = [
        ncd(
            b"\n".join(log.raw[end - BASELINE - WINDOW : end - WINDOW]),
            b"\n".join(log.raw[end - WINDOW : end]),
        )
        for end in ends
    ]
    return best_f1(scores, [any(log.alerts[end - WINDOW : end]) for end in ends])


def odd_line_first(log: Log, table: Table) -> None:
    """In windows of normal and anomalous lines, after a baseline that nobody has to be ashamed of."""
    lines, alerts = normalised(log), log.alerts
    hits, left_out, chance = [], [], []
    for at in range(BASELINE, len(lines) - WINDOW + 1):
        labels = alerts[at : at + WINDOW]
        before = [line for line, alert in zip(lines[:at], alerts[:at], strict=True) if not alert][-BASELINE:]
        if not 0 < sum(labels) < WINDOW or len(before) < BASELINE:
            continue
        window = lines[at : at + WINDOW]
        reader = Reader(before)
        hits.append(labels[_first([reader.read(line).rate for line in window])])
        left_out.append(labels[_first(_leaving_one_out(before, window))])
        chance.append(sum(labels) / WINDOW)
    name = f"{log.name}: odd line first, {len(hits)} mixed windows"
    table.row(name, mean(hits), 0.75, leave_one_out=mean(left_out), chance=mean(chance))


def _first(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _leaving_one_out(before: Sequence[str], window: Sequence[str]) -> list[float]:
    """The obvious method: by how much the window's distance falls without the line."""
    baseline = "\n".join(before).encode()
    whole = ncd(baseline, "\n".join(window).encode())
    rest = ["\n".join([*window[:at], *window[at + 1 :]]).encode() for at in range(len(window))]
    return [whole - ncd(baseline, one) for one in rest]
