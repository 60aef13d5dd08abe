"""The verdict on a figure against its target, worded the same by every benchmark."""

from __future__ import annotations

REACHED, MISSED = "reached", "MISSED"


def verdict(value: float, *, most: float | None = None, least: float | None = None) -> str:
    """The target and whether ``value`` reaches it: ``≤ 1.6 reached``; "" where there is none."""
    if most is not None:
        return f"≤ {most:g} {REACHED if value <= most else MISSED}"
    if least is not None:
        return f"≥ {least:g} {REACHED if value >= least else MISSED}"
    return ""
