"""The sentence about a departure of a metric, with the value as the input writes it."""

import re
from collections.abc import Sequence

from .series import DRIFT, LONG, NOISE, SHORT, Series
from .statistics import Departure

_NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BRACKETS = re.compile(r"[\[(]([^\[\]()]{1,12})[\])]\s*$")
_UNITS = {
    "percent": "%", "pct": "%", "perc": "%", "ms": "ms", "us": "µs", "ns": "ns", "s": "s", "sec": "s",
    "seconds": "s", "milliseconds": "ms", "bytes": "bytes", "kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB",
    "mib": "MiB", "gib": "GiB", "bps": "bit/s", "mbps": "Mbit/s", "celsius": "°C", "hz": "Hz", "rpm": "rpm",
    "volts": "V", "amps": "A", "watts": "W",
}  # fmt: skip
_MOST_DECIMALS = 6
_MEANS = ("short", "long", "drift")
_SHOWN = {"short": SHORT, "long": LONG, "drift": DRIFT, "stuck": LONG}  # points

# The number of a point's event, its value, what is left of that beside level and season, and the line.
Point = tuple[int, float, float, str]


def written(value: float, text: str) -> str:
    """Return a value as its line writes it; in plain digits where it is not found there."""
    for token in _NUMBER.findall(text):
        try:
            if float(token) == value:
                return str(token)
        except ValueError:
            continue
    return plain(value)


def plain(value: float) -> str:
    """Return the shortest digits that mean the value, without an exponent between 1e-6 and 1e15."""
    short = repr(value)
    if "e" in short and 1e-6 <= abs(value) < 1e15:
        short = f"{value:.12f}".rstrip("0")
    return short.removesuffix(".0").removesuffix(".")


def like(value: float, sample: str) -> str:
    """Return a value rounded to as many decimals as a sample of its series has."""
    if "e" in sample.lower():
        return f"{value:.4g}"
    decimals = len(sample.partition(".")[2])
    return f"{value:.{min(decimals, _MOST_DECIMALS)}f}"


def unit_of(name: str) -> str:
    """Return the unit that a column's name says, as it follows a number; '' for none."""
    given = _BRACKETS.search(name)
    unit = given[1].strip() if given else _UNITS.get(re.split(r"[\s_./-]+", name.lower())[-1], "")
    if not unit and name.rstrip().endswith("%"):
        unit = "%"
    return unit if unit in ("", "%") else f" {unit}"


def duration(amount: float, is_timed: bool) -> str:
    """Return a span of time, in its largest unit that has two of it; points where there are no times."""
    if not is_timed:
        return "1 point" if round(amount) == 1 else f"{amount:,.0f} points"
    for seconds, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if amount >= 2 * seconds or (amount >= seconds and amount % seconds == 0):
            return f"{amount / seconds:.1f}".removesuffix(".0") + f" {unit}"
    return f"{amount:.3g} s"


class Sentence:
    """A writer of the sentence of a departure of a series, at the point that departs."""

    def __init__(self, name: str, series: Series, value: float, text: str, is_timed: bool) -> None:
        self._name, self._series, self._is_timed = name, series, is_timed
        self._unit = unit_of(name)
        self._value = written(value, text)
        self._now = f"{name} {self._value}{self._unit}"

    def of(self, departure: Departure, is_older: bool) -> str:
        """Return the sentence, without its end; `is_older`: the value is not that of the newest point."""
        self._is_older = is_older
        return str(getattr(self, f"_{departure.statistic}")(departure))

    def silent(self, pause: float, now: bool) -> str:
        """Return the sentence of a gap; `now`: one that continues."""
        every = duration(self._series.step, self._is_timed)
        since = f"no value for {duration(pause, self._is_timed)}"
        return f"{self._name}: {since}{' so far' if now else ''}; usual every {every}"

    def _point(self, departure: Departure) -> str:
        return f"{self._now}; {self._usual()}"

    def _short(self, departure: Departure) -> str:
        return self._mean(departure, SHORT)

    def _long(self, departure: Departure) -> str:
        return self._mean(departure, LONG)

    def _mean(self, departure: Departure, points: int) -> str:
        side = "above" if departure.side == "up" else "below"
        beyond = (
            f"{self._like(departure.size)}{self._unit} {side} its usual on average for {self._span(points)}"
        )
        return f"{self._now}; {beyond}" + ("" if self._is_older else f"; {self._usual()}")

    def _drift(self, departure: Departure) -> str:
        series = self._series
        older = series.older or 0.0
        mean = older + (departure.size if departure.side == "up" else -departure.size)
        return (
            f"{self._now}; {self._like(mean)} on average for {self._span(DRIFT)}, "
            f"{self._like(older)} for {self._span(series.older_points)} before"
        )

    def _change(self, departure: Departure) -> str:
        moved = "rose" if departure.side == "up" else "fell"
        return f"{self._now}, {moved} by {self._like(departure.size)} in one step; {self._usual()}"

    def _noise(self, departure: Departure) -> str:
        now, usual = self._series.noise()
        return (
            f"{self._now}; changes by {self._like(now)} from point to point for {self._span(NOISE)}, "
            f"usual {self._like(usual)}"
        )

    def _stuck(self, departure: Departure) -> str:
        most = self._series.usual_run()
        usual = "changes each point" if most <= 1 else f"at most {most:,} equal values in a row"
        return (
            f"{self._name} stuck at {self._value}{self._unit} for {self._span(departure.size)}; usual {usual}"
        )

    def _usual(self) -> str:
        low, high = self._series.usual_range()
        both = self._like(low) if low == high else f"{self._like(low)} and {self._like(high)}"
        if self._series.is_seasonal:
            return f"usual {both.replace(' and ', ' to ')} {self._when()}"
        span = self._span(len(self._series.values))
        return f"{both} for {span}" if low == high else f"between {both} for {span}"

    def _when(self) -> str:
        period = self._series.period
        if self._is_timed and period % 86_400 == 0:
            return "at this hour"
        return f"at this point of its period of {duration(period, self._is_timed)}"

    def _span(self, points: float) -> str:
        return duration(points * (self._series.step or 1.0), self._is_timed)

    def _like(self, value: float) -> str:
        return like(value, self._value)


def shown_by(latest: Sequence[Point], departure: Departure) -> Sequence[Point]:
    """Return the points that show a departure, of the latest ones: at least one, in order.

    Of a mean those that went as far as half of it. Where only the newest shows it, it is the only one.
    """
    newest = tuple(latest)[-_SHOWN.get(departure.statistic, 1) :]
    if departure.statistic == "stuck":
        return newest[-int(departure.size) :]
    if departure.statistic not in _MEANS:
        return newest
    sign = 1 if departure.side == "up" else -1
    shown = [point for point in newest if sign * point[2] >= departure.size / 2]
    return shown or [max(newest, key=lambda point: sign * point[2])]


def quoted(shown: Sequence[Point], departure: Departure) -> Point:
    """Return the point to quote: the last one that shows it, of a mean the one that went furthest."""
    if departure.statistic not in _MEANS:
        return shown[-1]
    sign = 1 if departure.side == "up" else -1
    return max(shown, key=lambda point: sign * point[2])
