"""The layouts that a stream's own stamps have, learnt from its first lines.

A line may hold several things that look like stamps, and 03/04/2026 may be two dates. What tells a stream's
own stamp is its place and its order: nearly every line has it at the same place, its values are possible,
none lies after the end of the stream, and they do not decrease.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from .layouts import LAYOUTS, Layout, epoch_at

LOOKED_AT = 100  # lines
SEARCHED = 200  # characters of a line: a stamp further inside is about something else
_WEAK = 0.9  # of the lines have a weak layout at its place, or it is none
_OFTEN = 0.1  # of the lines have another layout beside the first, or it is chance
_ORDERED = 0.9  # of the pairs of neighbours do not decrease
_WORDS = 12  # of a line that may be epochs
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LONGER = 5  # times: what a reading may be longer than the shortest one
_DAY = timedelta(days=1)
_RECENT = timedelta(days=60)  # before its end a log with years of two digits may have begun
_HALF = re.compile(r"\d[ \u202f\u00a0]?[AaPp]\.?[Mm]\b")
_WRITTEN = {"dmy": "day/month/year", "mdy": "month/day/year", "ymd": "year/month/day"}

# The first stamp of a layout in a text: where it is, how it is written, its moment.
Stamp = tuple[int, str, datetime]
ReadMatch = Callable[[Layout, str], Stamp | None]


class AmbiguousDates(ValueError):
    """Dates that can be read in two orders, where nothing tells which one is meant."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """The layouts of a stream's stamps, the usual one first, and what a person should know about them."""

    layouts: tuple[Layout, ...] = ()
    note: str = ""


@dataclass(slots=True)
class _Candidate:
    layout: Layout
    starts: list[int] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    lines: set[int] = field(default_factory=set)
    sample: str = ""

    def add(self, line: int, start: int, text: str, moment: datetime) -> None:
        self.lines.add(line)
        self.sample = self.sample or text
        self.starts.append(start)
        self.moments.append(moment)

    def score(self, latest: datetime | None) -> tuple[float, bool, bool, bool, bool, float]:
        """The sort key of layouts: that of the stream's own stamps is the largest."""
        possible = sum(one >= _EARLIEST and (latest is None or one <= latest) for one in self.moments)
        pairs = [before <= after for before, after in pairwise(self.moments)]
        ordered = sum(pairs) >= _ORDERED * len(pairs)
        start = sum(self.starts) / len(self.starts)
        varied = len(set(self.moments)) > 1
        return possible, ordered, varied, self.layout.has_year, not self.layout.weak, -start


def learn(texts: Sequence[str], read: ReadMatch, latest: datetime | None) -> Learnt:
    """Return the layouts of the stamps of these lines.

    `read` gives the first stamp of a layout in a text; `latest` is when the stream ended at the latest.
    Raises AmbiguousDates where the order of day and month can't be known.
    """
    texts = [text for text in texts if text.strip()][:LOOKED_AT]
    candidates = [*_of(LAYOUTS, texts, read), *_epochs(texts, read)]
    found = [one for one in candidates if len(one.lines) >= (_WEAK * len(texts) if one.layout.weak else 1)]
    if not found:
        return Learnt()
    best = max(found, key=lambda one: one.score(latest))
    rivals = _rivals(best, found, latest)
    note = ""
    if len(rivals) == 1:
        best = rivals[0]
    elif rivals:
        best, note = _settled(rivals, latest)
    return Learnt((best.layout, *_others(best, found, len(texts), latest)), note)


def _of(layouts: Iterable[Layout], texts: Sequence[str], read: ReadMatch) -> list[_Candidate]:
    candidates = []
    for layout in layouts:
        candidate = _Candidate(layout)
        for line, text in enumerate(texts):
            found = read(layout, text)
            if found:
                candidate.add(line, *found)
        candidates.append(candidate)
    return [one for one in candidates if one.lines]


def _epochs(texts: Sequence[str], read: ReadMatch) -> list[_Candidate]:
    """Numbers that may be epochs, each word of a line by itself."""
    return _of((epoch_at(token) for token in range(1, _WORDS)), texts, read)


def _rivals(best: _Candidate, found: Sequence[_Candidate], latest: datetime | None) -> list[_Candidate]:
    """The readings of a date in numbers that are as good as the best one; [] where there is one only.

    A log that goes from one day to the next goes from month to month where the two are taken for each other,
    so that of two readings the one of far less time is meant.
    """
    if not best.layout.order:
        return []
    equal = [
        one
        for one in found
        if one.layout.order and one.starts == best.starts and one.score(latest)[:2] == best.score(latest)[:2]
    ]
    if all(one.moments == best.moments for one in equal):
        return []
    lasted = [max(one.moments) - min(one.moments) for one in equal]
    short = [one for one, span in zip(equal, lasted, strict=True) if span * _LONGER <= max(lasted)]
    return short if any(lasted) and short else equal


def _settled(rivals: Sequence[_Candidate], latest: datetime | None) -> tuple[_Candidate, str]:
    """The reading that custom means, and a note; AmbiguousDates where custom differs.

    Months come first where there is no year, and before AM and PM; years of two digits come first, unless
    another reading alone lies shortly before the end; dots and dashes stand after days.
    """
    by_order = {one.layout.order: one for one in rivals}
    sample = rivals[0].sample
    if "md" in by_order:
        return by_order["md"], ""
    if "ymd" in by_order:
        recent = [one for one in rivals if latest and latest - _RECENT <= one.moments[-1] <= latest]
        chosen = recent[0] if len(recent) == 1 else by_order["ymd"]
    elif _HALF.search(sample):
        chosen = by_order["mdy"]
    elif re.match(r"\d+[.-]", sample):
        return by_order["dmy"], ""
    else:
        raise AmbiguousDates(
            f'"{sample}" may be day/month/year or month/day/year; say which: --date-order dmy or mdy'
        )
    return chosen, (
        f'dates such as "{sample}" are read as {_WRITTEN[chosen.layout.order]}; '
        "name another order with --date-order"
    )


def _others(
    best: _Candidate, found: Sequence[_Candidate], lines: int, latest: datetime | None
) -> list[Layout]:
    """Layouts of lines that do not have the usual one, but stamps of the same days."""
    others: list[Layout] = []
    begun, ended = min(best.moments) - _DAY, max(best.moments) + _DAY
    left = set(range(lines)) - best.lines
    for one in sorted(found, key=lambda one: one.score(latest), reverse=True):
        new = one.lines & left
        is_near = begun <= min(one.moments) and max(one.moments) <= ended
        if is_near and not one.layout.weak and len(new) >= max(2, _OFTEN * lines):
            others.append(one.layout)
            left -= new
    return others
