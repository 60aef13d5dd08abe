"""What a detector works by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """Thresholds and sizes of one stream's detector; the names and defaults of `detection_config`.

    `ncd_threshold` is the least novelty of a window's newest line (see `memory.News`) and `p_value_threshold`
    the p-value that the window has to stay under; both lie between 0 and 1. `baseline_size`, `window_size`
    and `hop_size` count events and are at least 1. `review_per_day` is how many windows that are not flagged
    are handed over for review, the oddest of each day; 0 for none. Raises ValueError, naming the field, for
    anything else.
    """

    ncd_threshold: float = 0.5
    p_value_threshold: float = 0.05
    baseline_size: int = 100
    window_size: int = 10
    hop_size: int = 1
    review_per_day: int = 0

    @property
    def sizes(self) -> tuple[int, int, int]:
        """What makes two streams of windows the same: baseline, window and hop."""
        return self.baseline_size, self.window_size, self.hop_size

    def __post_init__(self) -> None:
        for name in ("ncd_threshold", "p_value_threshold"):
            _check_share(name, getattr(self, name))
        for name in ("baseline_size", "window_size", "hop_size"):
            _check_count(name, getattr(self, name))
        _check_count("review_per_day", self.review_per_day, least=0)


def _check_share(name: str, value: object) -> None:
    # A bool is an int to Python and NaN fails every comparison: both would slip through a bare range check.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number between 0 and 1, not {value!r}")


def _check_count(name: str, value: object, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of events, at least {least}, not {value!r}")
