"""Series for the specifications of metrics, the same for each seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from anomalies.detection import Event, Parameters
from anomalies.detection.metrics.scorer import MetricScorer
from anomalies.detection.scoring.views import Candidate

START = datetime(2026, 11, 2, tzinfo=UTC)
STEP = timedelta(minutes=5)
DAY = 288  # points


def noise(count: int, seed: int = 1, level: float = 50.0, size: float = 1.0) -> list[float]:
    draw = Random(seed)
    return [round(draw.gauss(level, size), 3) for _ in range(count)]


def season(days: int, seed: int = 1, swing: float = 20.0) -> list[float]:
    """A sine a day, of five-minute points, and noise."""
    return [
        round(value + swing * math.sin(2 * math.pi * at / DAY), 3)
        for at, value in enumerate(noise(days * DAY, seed))
    ]


def events(values: Sequence[float], name: str = "v", step: timedelta = STEP) -> list[Event]:
    return [
        Event(
            at + 1,
            f"{START + at * step:%Y-%m-%d %H:%M:%S},{value}",
            START + at * step,
            values=((name, value),),
        )
        for at, value in enumerate(values)
    ]


def untimed(values: Sequence[float]) -> list[Event]:
    return [Event(at + 1, f"{value}", None, values=(("v", value),)) for at, value in enumerate(values)]


def scored(stream: Iterable[Event], scorer: MetricScorer | None = None) -> list[Candidate]:
    scorer = scorer or MetricScorer(Parameters())
    return [one for event in stream for one in scorer.take(event)]


def said(stream: Iterable[Event]) -> list[str]:
    return [one.said for one in scored(stream)]
