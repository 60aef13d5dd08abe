"""Does the detector raise false alarms, and does it find what was put in?

    python benchmarks/detection_soundness.py FOLDER

FOLDER holds raw logs (*.log); one whose lines all begin with `- ` or an upper case category, as BGL's do, is
taken as labelled. Prints ratios only:

- the share of windows with p < .05 and p <= .01 when nothing but p decides, in the order of the log and
  shuffled: a sound p-value gives at most those shares where the log is normal. Repeated for logs that begin
  anywhere, so that the first windows, judged by circular shifts, are measured too;
- the share that is flagged with the defaults;
- one, three or ten lines of another log in a row, put in at every 150th event, one place in a run: the share
  of places found with three thresholds of novelty, and with the last of them the share of places where the
  headline names a foreign line first, and where every foreign line is called odd;
- one foreign line, put into a log that is run through three times, and again 150 and 2,500 events later: the
  share that is found each time, since what the memory still holds is no news;
- for a labelled log precision, recall and F1 by window, each against the detector that always alarms;
- events per second.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script: find the repository

from anomalies.detection import Detector, Event, Finding, Parameters, TimestampReader, detect, event_from_line

_CLOCK = TimestampReader(datetime(2026, 1, 1, tzinfo=UTC))
_LABEL = re.compile(rb"(-|[A-Z]{4,}) (?=\d{10} )")
_EVERY, _FIRST = 150, 400
_RUNS = (1, 3, 10)
_AGAIN = (0, 150, 2_500)  # events after the first time; the memory holds 2,000
_COLD_START = 100 + 10 + 99  # events until the history is long enough


Shares = tuple[float, float, float, float]


@dataclass(frozen=True)
class Log:
    name: str
    lines: list[bytes]
    alerts: list[bool]  # empty: no labels


def main(folder: Path) -> None:
    logs = [_load(path) for path in sorted(folder.glob("*.log"))]
    if not logs:
        raise SystemExit(f"{folder} holds no *.log: nothing to measure")
    _false_alarms(logs)
    _injected(logs)
    _recurring(logs)
    for log in logs:
        if any(log.alerts):
            _labelled(log)
    _speed(logs)


def _load(path: Path) -> Log:
    lines = path.read_bytes().splitlines()
    labels = [_LABEL.match(line) for line in lines]
    if not all(labels):
        return Log(path.stem, lines, [])
    found = [label for label in labels if label]
    bare = [line[label.end() :] for line, label in zip(lines, found, strict=True)]
    return Log(path.stem, bare, [label.group(1) != b"-" for label in found])


def _events(lines: Sequence[bytes]) -> list[Event]:
    return [event_from_line(number, line, len(line), _CLOCK) for number, line in enumerate(lines, 1)]


def _run(lines: Sequence[bytes], **over: float) -> tuple[list[Finding], float]:
    detector = Detector(Parameters(**over))  # type: ignore[arg-type]
    findings = [*detector.feed(_events(lines)), *detector.finish()]
    return findings, detector.windows_flagged / detector.windows_tested


def _shares(lines: Sequence[bytes]) -> Shares:
    """The shares of windows with p < .05, p <= .01, and flagged at novelty .5 (the default) and .3."""
    by_p = {"ncd_threshold": 0.0}
    # p takes values of at least 1/501 apart: below .0101 is at most .01.
    return (
        _run(lines, **by_p, p_value_threshold=0.05)[1],
        _run(lines, **by_p, p_value_threshold=0.0100001)[1],
        _run(lines)[1],
        _run(lines, ncd_threshold=0.3)[1],
    )


def _false_alarms(logs: Sequence[Log]) -> None:
    print("False alarms, share of windows tested        p < .05   p <= .01   flagged, novelty >= .5  .3")
    totals: dict[str, list[Shares]] = {"in order": [], "shuffled": [], "cold starts": []}
    for log in logs:
        for order, shares in _orders(log.lines).items():
            totals[order].append(shares)
            print(f"{log.name:24}{order:20}", *[f"{share:9.3f}" for share in shares])
    for order, rows in totals.items():
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        print(f"{'mean':24}{order:20}", *[f"{share:9.3f}" for share in means])
    print(f"{'always alarm':44}", *[f"{1:9.3f}"] * 4, "\n")


def _orders(lines: list[bytes]) -> dict[str, Shares]:
    shuffled = Random(1).sample(lines, len(lines))
    starts = range(0, len(lines) - _COLD_START, _COLD_START)
    cold = [_shares(lines[start : start + _COLD_START]) for start in starts]
    return {
        "in order": _shares(lines),
        "shuffled": _shares(shuffled),
        "cold starts": tuple(sum(column) / len(cold) for column in zip(*cold, strict=True)),
    }


def _injected(logs: Sequence[Log]) -> None:
    print(
        "Foreign lines, found by novelty >=             .5       .3        0   oddest  all odd   always alarm"
    )
    rows = []
    for log, donor in zip(logs, [*logs[1:], logs[0]], strict=True):
        for run in _RUNS:
            places = range(_FIRST, len(log.lines) - run, _EVERY)
            trials = [_trial(log.lines, donor.lines, place, run) for place in places]
            rows.append([sum(column) / len(trials) for column in zip(*trials, strict=True)])
            print(
                f"{f'{log.name} < {run} of {donor.name}':42}",
                *[f"{share:8.3f}" for share in rows[-1]],
                f"{1:8.3f}",
            )
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    print(f"{'mean':42}", *[f"{share:8.3f}" for share in means], f"{1:8.3f}", "\n")


def _trial(lines: Sequence[bytes], foreign: Sequence[bytes], place: int, run: int) -> list[bool]:
    """Found at three thresholds; with the last: a foreign line is the oddest, all of them are odd."""
    before = lines[:place]
    mixed = [*before, *foreign[place : place + run], *lines[place : place + 20]]
    inside = range(len(before) + 1, len(before) + run + 1)
    found = []
    for threshold in (0.5, 0.3, 0.0):
        findings, _ = _run(mixed, ncd_threshold=threshold)
        hit = [one for one in findings if one.first_line <= inside[-1] and inside[0] <= one.last_line]
        found.append(bool(hit))
    odd = {line.line for one in hit for line in one.window if line.odd}
    return [*found, any(one.oddest_line in inside for one in hit), set(inside) <= odd]


def _recurring(logs: Sequence[Log]) -> None:
    after = "".join(f"{events:8,}" for events in _AGAIN)
    print(f"{'The same foreign line found, events later':42}{after}")
    rows = []
    for log, donor in zip(logs, [*logs[1:], logs[0]], strict=True):
        places = range(_FIRST, len(log.lines) - max(_RUNS), _EVERY)
        trials = [_repeated(log.lines, donor.lines[place], place) for place in places]
        rows.append([sum(column) / len(trials) for column in zip(*trials, strict=True)])
        print(f"{f'{log.name} < {donor.name}':42}", *[f"{share:7.3f}" for share in rows[-1]])
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    print(f"{'mean':42}", *[f"{share:7.3f}" for share in means], "\n")


def _repeated(lines: Sequence[bytes], foreign: bytes, place: int) -> list[bool]:
    numbers = [place + 1 + events for events in _AGAIN]
    mixed = [*lines] * 3
    for number in numbers:
        mixed.insert(number - 1, foreign)
    findings, _ = _run(mixed[: numbers[-1] + 20])
    return [any(one.first_line <= number <= one.last_line for one in findings) for number in numbers]


def _speed(logs: Sequence[Log]) -> None:
    print("Events per second, the lines read beforehand")
    for log in logs:
        events = _events(log.lines)
        began = perf_counter()
        list(detect(events))
        print(f"{log.name:24}{len(events) / (perf_counter() - began):12,.0f}")


def _labelled(log: Log) -> None:
    detector, size, window = Detector(Parameters()), 100, 10
    findings = [*detector.feed(_events(log.lines)), *detector.finish()]
    spans = [(finding.first_line, finding.last_line) for finding in findings]
    ends = range(size + window, len(log.lines) + 1)
    truth = [any(log.alerts[end - window : end]) for end in ends]
    alarm = [any(first <= end - window + 1 and end <= last for first, last in spans) for end in ends]
    print(f"{log.name}, windows with an alert            precision   recall      F1")
    for name, answer in (("detector", alarm), ("always alarm", [True] * len(truth))):
        hits = sum(a and t for a, t in zip(answer, truth, strict=True))
        precision, recall = hits / max(1, sum(answer)), hits / sum(truth)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        print(f"{name:44}{precision:9.3f}{recall:9.3f}{f1:9.3f}")
    alerts_hit = sum(
        any(first <= n <= last for first, last in spans) for n, a in enumerate(log.alerts, 1) if a
    )
    print(f"alerts inside a finding: {alerts_hit / sum(log.alerts):.3f}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
