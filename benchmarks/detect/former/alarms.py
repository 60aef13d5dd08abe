"""Alarms of the former engine for a log, with its defaults."""

from __future__ import annotations

from collections.abc import Sequence

from .masking import normalise
from .significance import History, Judged, Weights, significance
from .text_memory import Memory, News

BASELINE, WINDOW = 100, 10
NOVELTY, P_VALUE = 0.5, 0.05


def spans(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the episodes of a log by their first and last line: flagged windows that touch."""
    lines = [normalise(text) for text in texts]
    memory, history = Memory(BASELINE), History()
    news = [memory.take(line, number) for number, line in enumerate(lines, 1)]
    found: list[tuple[int, int]] = []
    for end in range(BASELINE + WINDOW, len(lines) + 1):
        window = news[end - WINDOW : end]
        weights = Weights(sum(one.weight for one in window), max(one.weight for one in window))
        if weights.peak and _is_flagged(window, weights, history, lines[end - BASELINE - WINDOW : end]):
            first = end - WINDOW + 1
            if found and first <= found[-1][1] + 1:
                found[-1] = found[-1][0], end
            else:
                found.append((first, end))
        history.add(Judged(end - WINDOW + 1, end, weights))
    return found


def _is_flagged(window: Sequence[News], weights: Weights, history: History, lines: Sequence[str]) -> bool:
    newest = max(window, key=lambda one: one.weight)
    if newest.share < NOVELTY:
        return False
    return (
        significance(weights, history, lambda: [f"{line}\n".encode() for line in lines], WINDOW).p_value
        < P_VALUE
    )
