"""Logs: false alarms of all views together, labelled lines, and which line is named first."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from anomalies.detection import Event, Parameters, TimestampReader, format_for, pattern_of
from anomalies.detection.lines.scorer import LineScorer
from anomalies.detection.lines.templates import Templates
from anomalies.detection.lines.text import MOST_COUNTS, Text
from anomalies.detection.scoring.surprise import Reader
from anomalies.detection.significance import joined
from benchmarks.detect.figures import auc, best_f1, by_keyword, by_new_template, ncd, permutation_p
from benchmarks.detect.former.masking import normalise
from benchmarks.detect.former.text_memory import Memory
from benchmarks.detect.streams.data import Log
from benchmarks.detect.table import Table, mean

BASELINE, WINDOW, COLD = 100, 10, 300  # COLD: events before which not all views are ranked
_NAIVE_EVERY = 20  # the naive way is asked about every so manieth window: it takes 200 times as long


def read(lines: Sequence[bytes]) -> list[Event]:
    """The events of a log, as `detect` reads them."""
    form = format_for("logs", lines[:100], TimestampReader(None))
    found = (one for number, line in enumerate(lines, 1) for one in form.read(number, line, len(line)))
    return [one for one in found if isinstance(one, Event)]


def p_values(events: Sequence[Event]) -> list[float]:
    """The p of each event, all views together, from the first one on."""
    scorer = LineScorer(Parameters())
    return [joined(scorer.take(event, True), scorer.weights) for event in events]


def normal_p(log: Log, shuffled: bool) -> tuple[list[float], list[float]]:
    """The p-values of a log without what is labelled, warm: ours, and the naive way's."""
    lines = log.normal.raw
    if shuffled:
        lines = Random(1).sample(lines, len(lines))
    masked = [pattern_of(event.scored).encode() for event in read(lines)]
    return p_values(read(lines))[COLD:], _naive_p(masked)


def _naive_p(lines: Sequence[bytes]) -> list[float]:
    size, random = BASELINE + WINDOW, Random(2)
    return [
        permutation_p(lines[at : at + size], WINDOW, random)
        for at in range(0, len(lines) - size, _NAIVE_EVERY)
    ]


def weights_of(events: Sequence[Event], learnt: Sequence[bool]) -> list[float]:
    """Return the weight of each event's text; those marked as not learnt are scored only."""
    templates = Templates()
    text = Text(templates, BASELINE, MOST_COUNTS)
    return [
        text.take(templates.plan(event.scored, at).pattern, at, learn).weight
        for at, (event, learn) in enumerate(zip(events, learnt, strict=True), 1)
    ]


def _former_weights(events: Sequence[Event], learnt: Sequence[bool]) -> list[float]:
    memory = Memory(BASELINE)
    return [
        float(memory.take(normalise(event.text), at, learn).weight)
        for at, (event, learn) in enumerate(zip(events, learnt, strict=True))
    ]


def labelled(log: Log, table: Table) -> None:
    """Events of a labelled log, those acknowledged kept out of learning."""
    events, alerts = read(log.raw), log.alerts
    learnt = [not alert for alert in alerts]
    labels = alerts[BASELINE:]
    lines = [pattern_of(event.scored) for event in events]
    ours, former = weights_of(events, learnt)[BASELINE:], _former_weights(events, learnt)[BASELINE:]
    keyword, template = by_keyword(lines)[BASELINE:], by_new_template(lines, learnt)[BASELINE:]
    table.row(
        f"{log.name}: event AUC", auc(ours, labels), 0.97, former=auc(former, labels),
        keyword=auc(keyword, labels), new_template=auc(template, labels), always_alarm=0.5,
    )  # fmt: skip
    table.row(
        f"{log.name}: best F1 of events", best_f1(ours, labels), 0.77, former=best_f1(former, labels),
        keyword=best_f1(keyword, labels), new_template=best_f1(template, labels),
        always_alarm=best_f1([1.0] * len(labels), labels),
    )  # fmt: skip


def odd_line_first(log: Log, table: Table) -> None:
    """In windows of normal and anomalous lines, after a baseline of normal ones."""
    events, alerts = read(log.raw), log.alerts
    lines = [pattern_of(event.scored) for event in events]
    former_lines = [normalise(event.text) for event in events]
    hits, former, left_out, chance = [], [], [], []
    for at in range(BASELINE, len(lines) - WINDOW + 1):
        labels = alerts[at : at + WINDOW]
        before = [place for place in range(at) if not alerts[place]][-BASELINE:]
        if not 0 < sum(labels) < WINDOW or len(before) < BASELINE:
            continue
        for texts, found in ((lines, hits), (former_lines, former)):
            reader = Reader([texts[place] for place in before])
            found.append(labels[_first([reader.read(line).rate for line in texts[at : at + WINDOW]])])
        window = lines[at : at + WINDOW]
        left_out.append(labels[_first(_leaving_one_out([lines[place] for place in before], window))])
        chance.append(sum(labels) / WINDOW)
    name = f"{log.name}: odd line first, {len(hits)} mixed windows"
    table.row(name, mean(hits), 0.8, former=mean(former), leave_one_out=mean(left_out), chance=mean(chance))


def _first(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _leaving_one_out(before: Sequence[str], window: Sequence[str]) -> list[float]:
    """The obvious method: by how much the window's distance falls without the line."""
    baseline = "\n".join(before).encode()
    whole = ncd(baseline, "\n".join(window).encode())
    rest = ["\n".join([*window[:at], *window[at + 1 :]]).encode() for at in range(len(window))]
    return [whole - ncd(baseline, one) for one in rest]
