"""Series of many kinds, made: what metrics are tuned on (even seeds) and reported on (odd seeds)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

DAY = 86_400
FIVE_MINUTES = 300


@dataclass(frozen=True)
class Made:
    """A series without an incident: its kind, seconds since its start, values."""

    kind: str
    times: list[float]
    values: list[float]


@dataclass
class _State:
    """The random source and the memory of a generator. Hours and weekdays are the series' own."""

    draw: Random
    base: float
    swing: float
    noise: float
    share: float = 0.0
    memory: float = 0.0
    level: float = 0.0
    total: float = 0.0
    burst: int = 0
    hour: float = 0.0
    weekday: int = 0
    at: int = 0

    def gauss(self, size: float = 1.0) -> float:
        return self.draw.gauss(0, size)

    @property
    def wave(self) -> float:
        return math.sin(2 * math.pi * self.hour / 24)


def _office(s: _State) -> float:
    at_work = 7 < s.hour < 19 and s.weekday < 5
    height = 1.3 * s.swing * max(0.0, math.sin(math.pi * (s.hour - 7) / 12)) if at_work else 0.0
    return s.base + height + s.gauss(0.7 * s.noise)


def _weekly(s: _State) -> float:
    work = s.weekday < 5
    return s.base + s.swing * (s.wave if work else 0.5 * s.wave - 0.4) + s.gauss(s.noise)


def _correlated(s: _State) -> float:
    s.memory = 0.9 * s.memory + s.gauss()
    return s.base + s.noise * s.memory


def _bursty(s: _State) -> float:
    if s.burst <= 0 and s.draw.random() < 0.01:
        s.burst = s.draw.randrange(2, 10)
    s.burst -= 1
    height = s.draw.uniform(20, 60) if s.burst > 0 else 0.0
    return max(0.0, min(100.0, 8 + abs(s.gauss(3)) + height))


def _percent(s: _State) -> float:
    s.memory = 0.9 * s.memory + s.gauss()
    return max(0.0, min(100.0, 60 + 20 * s.wave + 4 * s.memory))


def _counts(s: _State) -> float:
    rate = max(0.5, s.base * 0.5 * (1 + 0.7 * s.wave))
    return float(max(0, round(rate + math.sqrt(rate) * s.gauss())))


def _drift(s: _State) -> float:
    s.level = 0.9995 * (s.level + s.gauss(0.02 * s.swing))
    return s.base + s.level + s.gauss(0.3 * s.noise)


def _cron(s: _State) -> float:
    nightly = 2 * s.swing * s.draw.uniform(0.9, 1.1) if s.hour < 5 / 60 else 0.0
    hourly = s.swing * 0.5 if s.at % 12 == 3 else 0.0
    return 0.1 * s.base + abs(s.gauss(0.5)) + nightly + hourly


def _peaks(s: _State) -> float:
    shape = math.exp(-(((s.hour - 9) / 2) ** 2)) + 0.8 * math.exp(-(((s.hour - 18) / 2.5) ** 2))
    return s.base + s.swing * shape * (1 + s.gauss(0.05)) + s.gauss(0.4 * s.noise)


def _hops(s: _State) -> float:
    if s.draw.random() < 1 / 900:
        s.level = s.draw.uniform(-1, 1) * s.swing
    return s.base + s.level + s.gauss(0.4 * s.noise)


def _counter(s: _State) -> float:
    s.total += max(0.0, s.base * (1 + 0.6 * s.wave) + s.gauss(0.2 * s.base))
    return float(round(s.total))


def _sparse(s: _State) -> float:
    return 0.0 if s.draw.random() < 0.95 else float(round(s.draw.expovariate(1 / 20)) + 1)


def _walk(s: _State) -> float:
    s.level += s.gauss(0.03 * s.swing)
    return s.base + s.level


SEASONAL: dict[str, Callable[[_State], float]] = {
    "sine": lambda s: s.base + s.swing * s.wave + s.gauss(s.noise),
    "sine and trend": lambda s: s.base + s.swing * (s.wave + 1.5 * s.share) + s.gauss(s.noise),
    "office hours": _office,
    "weekly": _weekly,
    "percentage": _percent,
    "counts": _counts,
    "integers": lambda s: float(round(5 + 2 * s.wave + s.gauss(1.2))),
    "square": lambda s: s.base + (s.swing if 8 < s.hour < 20 else 0.0) + s.gauss(0.3 * s.noise),
    "two peaks": _peaks,
    "quarters": lambda s: round((40 + 3 * s.wave + s.gauss(0.8)) * 4) / 4,
    "log season": lambda s: math.exp(4 + 0.8 * s.wave + s.gauss(0.15)),
}
OTHERS: dict[str, Callable[[_State], float]] = {
    "noise": lambda s: 50 + s.gauss(1.3),
    "correlated": _correlated,
    "bursts": _bursty,
    "latency": lambda s: math.exp(math.log(20) + 0.3 * s.wave + s.gauss(0.35)),
    "cron jobs": _cron,
    "sparse": _sparse,
    "counter": _counter,
    "drift": _drift,
    "walk": _walk,
    "level hops": _hops,
}
KINDS = {**SEASONAL, **OTHERS}


def made(kind: str, seed: int, days: float = 14, step: float = FIVE_MINUTES) -> Made:
    """A series of this kind, the same for each seed."""
    draw = Random(f"{kind} {seed}")
    swing = draw.uniform(5, 30)
    state = _State(draw, draw.uniform(30, 100), swing, swing * draw.choice([0.05, 0.1, 0.2, 0.3]))
    phase, monday = draw.uniform(0, DAY), draw.randrange(7)
    count = int(days * DAY / step)
    times, values = [at * step for at in range(count)], []
    for at, time in enumerate(times):
        state.at, state.share = at, at / count
        state.hour = ((time + phase) % DAY) / 3600
        state.weekday = (int((time + phase) // DAY) + monday) % 7
        values.append(float(f"{KINDS[kind](state):.6g}"))
    return Made(kind, times, values)
