"""The significance of an event: the p-value of all views of its stream together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .scoring.views import Candidate, Method

ENOUGH = 99  # events or blocks of a past, before which a p-value is provisional


@dataclass(frozen=True, slots=True)
class Significance:
    """A p-value in 0..1, and how many events it was ranked among; `is_provisional` where these are few."""

    p_value: float
    compared: int
    method: Method = "conformal"

    @property
    def is_provisional(self) -> bool:
        """True where the stream's own past was too short for a firm p-value."""
        return self.compared < ENOUGH


def joined(candidates: Iterable[Candidate], weights: Mapping[str, float]) -> float:
    """Return the p-value of what several views say of one event: their weighted harmonic mean.

    1 / Σ(w / p) with weights that add up to 1; a view that is silent has p = 1, so that each view that may
    speak costs the others some of their power, and the false alarms of all together stay where the threshold
    is. Valid under dependence, which views of one event have in any case (Wilson, "The harmonic mean p-value
    for combining dependent tests", PNAS 116(4), 2019); Simes' test, which it is never stricter than, asks for
    independence or positive dependence. At .05 the mean of six p-values is too small by less than a fifth
    (his table 1), which the gate and ranks with ties more than make up for: docs/detection.md measures it.
    """
    least: dict[str, float] = {}
    for one in candidates:
        least[one.view] = min(one.p_value, least.get(one.view, 1.0))
    said = sum(weights[view] / max(p_value, 1e-300) for view, p_value in least.items())
    silent = sum(weight for view, weight in weights.items() if view not in least)
    return min(1.0, 1 / (said + silent))
