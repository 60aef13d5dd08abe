"""A pump's eight sensors, a row a second, simulated with faults: alarms inside a fault, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.detect.former import metrics as former
from benchmarks.detect.table import Table, mean
from benchmarks.detect.yardsticks import IsolationForest

NAMES = (
    "Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure",
    "Temperature", "Thermocouple", "Voltage", "Volume Flow RateRMS",
)  # fmt: skip
FAULTS = ("valve", "imbalance", "cavitation", "leak", "heat", "sensor")
SEEDS = (1, 3, 5, 7, 9)
_ROWS, _QUIET, _COUNT = 3_600, 900, 6
_SOON = 60  # seconds
_RISES = 20  # seconds until a fault is whole
_TRAINED = 600  # rows that the isolation forest is made of

Row = list[tuple[str, float]]


@dataclass(frozen=True)
class Run:
    """Seconds, rows, and the faults: first row, the one after the last, kind."""

    times: list[float]
    rows: list[Row]
    faults: list[tuple[int, int, str]]


@dataclass
class _Pump:
    draw: Random
    heating: float
    temperature: float = 70.0
    thermocouple: float = 26.0
    current: float = 0.0
    flow: float = 0.0

    def read(self, fault: str, whole: float) -> list[float]:
        """The eight values of the next second; `whole` is how far the fault has risen, 0 to 1."""
        gauss = self.draw.gauss
        self.current = 0.7 * self.current + gauss(0, 1)
        self.flow = 0.5 * self.flow + gauss(0, 1)
        self.temperature += 8 * self.heating + gauss(0, 0.01)
        self.thermocouple += 2 * self.heating + gauss(0, 0.003)
        if fault == "heat":
            self.temperature += 0.035 * whole
        shift, spread = _EFFECTS.get(fault, ({}, {}))
        values = [
            0.0265 + gauss(0, 0.0006), 0.040 + gauss(0, 0.0008), 2.2 + 0.18 * self.current,
            0.05 + gauss(0, 0.27), self.temperature, self.thermocouple, 228 + gauss(0, 9),
            32 + 0.45 * self.flow,
        ]  # fmt: skip
        for at in range(len(values)):
            values[at] += shift.get(at, 0.0) * whole + gauss(0, spread.get(at, 0.0) * whole + 1e-12)
        if fault == "sensor":
            values[6] = 228.0
        return values


# By fault: what it adds to which sensor, and how much it makes it tremble.
_EFFECTS: dict[str, tuple[dict[int, float], dict[int, float]]] = {
    "valve": ({7: -6.0, 3: 0.9, 2: -0.35}, {}),
    "imbalance": ({0: 0.012, 1: 0.016, 2: 0.2}, {}),
    "cavitation": ({0: 0.003}, {3: 1.1, 7: 2.2, 0: 0.002}),
    "leak": ({7: -4.5, 3: -0.5}, {}),
    "heat": ({2: 0.5}, {}),
}
_DIGITS = (6, 6, 5, 3, 4, 4, 3, 1)


def simulated(seed: int) -> Run:
    """An hour of a pump with six faults of some minutes; the first fifteen minutes have none."""
    draw = Random(seed)
    each = (_ROWS - _QUIET) // _COUNT
    faults = []
    for number in range(_COUNT):
        first = _QUIET + number * each + draw.randrange(each // 4)
        faults.append((first, first + draw.randrange(120, each // 2), draw.choice(FAULTS)))
    pump, time = _Pump(draw, draw.uniform(-0.0008, 0.0008)), 0.0
    times, rows = [], []
    for at in range(_ROWS):
        first, _, fault = next((one for one in faults if one[0] <= at < one[1]), (0, 0, ""))
        values = pump.read(fault, min(1.0, (at - first) / _RISES))
        time += 1.0 if draw.random() < 0.97 else 2.0
        times.append(time)
        rows.append(
            [(name, round(value, digits)) for name, value, digits in zip(NAMES, values, _DIGITS, strict=True)]
        )
    return Run(times, rows, faults)


def inside_and_soon(run: Run, alarms: Sequence[tuple[int, int]]) -> tuple[list[bool], list[bool]]:
    """For each alarm whether it touches a fault; for each fault whether one comes within a minute."""
    spans = [(first, end) for first, end, _ in run.faults]
    inside = [any(first < end and last >= begin for begin, end in spans) for first, last in alarms]
    soon = [any(first <= begin + _SOON and last >= begin for first, last in alarms) for begin, _ in spans]
    return inside, soon


def by_forest(run: Run) -> list[tuple[int, int]]:
    """Rows odder than all of the first ten minutes, those within a minute as one alarm."""
    rows = [[value for _, value in row] for row in run.rows]
    forest = IsolationForest(rows[:_TRAINED])
    limit = max(map(forest.score, rows[:_TRAINED]))
    found: list[tuple[int, int]] = []
    for at in range(_TRAINED, len(rows)):
        if forest.score(rows[at]) > limit:
            joined = found and at - found[-1][1] <= _SOON
            found[-1:] = [(found[-1][0], at)] if joined else [*found[-1:], (at, at)]
    return found


def measure(table: Table) -> None:
    from benchmarks.detect.metrics import events_of, raised

    ways = {
        "ours": lambda run: raised(events_of(run.rows, run.times)),
        "former": lambda run: former.alarms(run.rows),
        "isolation_forest": by_forest,
    }
    runs = [simulated(seed) for seed in SEEDS]
    shares, onsets = {}, {}
    for name, way in ways.items():
        both = [inside_and_soon(run, way(run)) for run in runs]
        inside = [hit for hits, _ in both for hit in hits]
        shares[name] = mean(inside) if inside else 0.0
        onsets[name] = mean([hit for _, hits in both for hit in hits])
    words = f"{len(runs) * _COUNT} faults of simulated sensors"
    table.row(f"{words}: alarms inside one", shares.pop("ours"), 0.75, **shares)
    table.row(f"{words}: onset within 60 s", onsets.pop("ours"), 0.9, **onsets)
