"""The numbers that a detector works by: their names, defaults and ranges, and the rule by which it flags.

No other module states them: ``models/config.py`` gives the table ``detection_config`` a column for each
number of ``Thresholds``, with the same name, default and range.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

_MOST = 2**31 - 1  # events; what the table's column holds


def _share(default: float) -> Any:
    """A number from 0 to 1, both included."""
    return field(default=default, metadata={"is_share": True})


def _count(default: int, least: int = 1) -> Any:
    """A whole number of events or windows, at least ``least``."""
    return field(default=default, metadata={"is_share": False, "least": least})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds and sizes for one stream.

    A window is flagged if the novelty of its newest event (see `memory.News`) is at least `ncd_threshold` and
    its p-value is below `p_value_threshold`. `baseline_size`, `window_size` and `hop_size` count events.
    Raises ValueError, naming the field, for a number outside its range.
    """

    ncd_threshold: float = _share(0.5)
    p_value_threshold: float = _share(0.05)
    baseline_size: int = _count(100)
    window_size: int = _count(10)
    hop_size: int = _count(1)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if words := _problem(each.metadata, value):
                raise ValueError(f"{each.name} {words}, not {value!r}")

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Baseline, window and hop: two streams of windows are comparable if these are equal."""
        return self.baseline_size, self.window_size, self.hop_size

    def reaches(self, measure: float) -> bool:
        """Return whether a novelty (or the NCD of a detector without one) is at least the threshold."""
        return measure >= self.ncd_threshold

    def is_flagged(self, measure: float, p_value: float) -> bool:
        """Return whether a window is flagged."""
        return self.reaches(measure) and p_value < self.p_value_threshold


@dataclass(frozen=True, slots=True)
class Parameters(Thresholds):
    """Thresholds, and how many windows that are not flagged are kept for review: the oddest of each day."""

    review_per_day: int = _count(0, least=0)


NAMES = tuple(each.name for each in fields(Thresholds))
SHARES = tuple(each.name for each in fields(Thresholds) if each.metadata["is_share"])


def problem(name: str, value: object) -> str:
    """Return why this is no value for this number of ``Thresholds``; '' for a good one."""
    metadata = {each.name: each.metadata for each in fields(Thresholds)}
    if name not in metadata:
        return f"is not a threshold; use {', '.join(NAMES)}"
    return _problem(metadata[name], value)


def _problem(metadata: Any, value: object) -> str:
    # A bool is an int to Python and NaN fails every comparison: a bare range check would accept both.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    if metadata["is_share"]:
        return "" if 0 <= value <= 1 else "must be a number from 0 to 1"
    least: int = metadata["least"]
    is_count = isinstance(value, int) and least <= value <= _MOST
    return "" if is_count else f"must be a whole number from {least} to {_MOST:,}"
