"""One sentence for each view, without its end: what came, and what is usual.

What is quoted stands in the line that is named, cut where it is long.
"""

from datetime import UTC, datetime

from ..explain.sentence import body_of
from ..scoring.own_past import WINDOW
from .absence import Absent
from .disorder import Disorder
from .order import Order
from .pauses import HOUR, HourCount, Pause
from .slots import Slot

_QUOTED = 80  # characters of a line
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def many(text: str, count: int, window: int, record: float) -> str:
    """Return the sentence about a template that comes more often than ever."""
    return f"“{quoted(text)}” and lines like it: {count} of {window}; at most {record:.0f} before"


def share(text: str, count: int, window: int, usual: float) -> str:
    """Return the sentence about a window of unusual lines: the one that adds most to it."""
    return f"“{quoted(text)}” and lines like it: {count} of {window}; usual {_often(usual, window)}"


def absent(found: Absent) -> str:
    """Return the sentence about a thing that does not come any more."""
    thing = found.thing
    what = quoted(thing.last_text)
    if found.seconds > 0 and thing.time_sum > 0:
        every, most = duration(thing.time_sum / thing.count), duration(thing.longest_time)
        return f"no “{what}” for {duration(found.seconds)}; usual every {every}, at most {most} apart"
    every, most = f"{thing.gap_sum / thing.count:,.0f}", f"{thing.gaps[-1]:,.0f}"
    return f"no “{what}” for {found.events:,} lines; usual every {every} lines, at most {most} apart"


def value(slot: Slot, word: str) -> str:
    """Return the sentence about a run of values that are rare in their place."""
    name = f"{slot.name} " if slot.name else ""
    if slot.kind == "number":
        often = f" and {len(slot.lines):,} like it" if len(slot.lines) > 1 else ""
        return f"{name}{_cut(word)}{often}; usual {slot.usual()}"
    usual = slot.usual_share(word)
    before = f"usual 1 in {1 / usual:,.0f}" if 0 < usual < 0.5 else f"usual “{_cut(slot.usual())}”"
    count, others = slot.run.get(word, 0), len(slot.run) - 1
    if slot.length <= 1:
        return f"{name}“{_cut(word)}”; {before}"
    also = f", with {others:,} other rare ones {sum(slot.run.values()):,}" if others else ""
    return f"{name}“{_cut(word)}” in {count:,} of {slot.length:,} lines of its kind{also}; {before}"


def first(slot: Slot, word: str) -> str:
    """Return the sentence about a value that never came in a place where others always did."""
    name = f"{slot.name} is " if slot.name else ""
    return f"{name}“{_cut(word)}” for the first time; usual “{_cut(slot.usual())}”"


def order(text: str, before: str) -> str:
    """Return the sentence about a line after one that others follow."""
    return f"“{quoted(text)}” right after “{quoted(before, 50)}”, which others follow"


def steps(text: str, before: str, order: Order) -> str:
    """Return the sentence about a run of lines that follow each other in no usual order."""
    usual = f"; usual 1 in {1 / order.usual:,.0f}" if order.usual > 0 else ""
    return (
        f"“{quoted(text)}” right after “{quoted(before, 50)}”, one of {order.rare:,} unusual steps in "
        f"{order.length:,} lines{usual}"
    )


def pause(found: Pause) -> str:
    """Return the sentence about a pause."""
    return f"nothing for {duration(found.seconds)}; the longest earlier pause was {duration(found.record)}"


def backwards(found: Disorder) -> str:
    """Return the sentence about times that run backwards."""
    most = duration(found.record) if found.record else "0 s"
    return (
        f"times step back by up to {duration(found.seconds)}, {len(found.lines):,} times in {WINDOW} lines; "
        f"at most {most} before"
    )


def hour(found: HourCount) -> str:
    """Return the sentence about an hour with an unusual number of lines for that hour."""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (found.begin, found.begin + HOUR))
    usual = f"{found.least:,}" if found.least == found.most else f"{found.least:,} to {found.most:,}"
    return f"{found.events:,} lines from {begin:%H:%M} to {end:%H:%M} UTC; usual at that hour {usual}"


def duration(seconds: float) -> str:
    """Return a number of seconds in the unit that a person would use: `14 min`, `2.5 h`, `0.3 s`."""
    for size, unit in _UNITS:
        if seconds >= 2 * size or size == 1.0:
            number = seconds / size
            return f"{number:.1f} {unit}".replace(".0 ", " ") if number < 10 else f"{number:.0f} {unit}"
    raise AssertionError("the last unit holds for all")


def quoted(text: str, most: int = _QUOTED) -> str:
    """Return the beginning of a text behind its times and numbers, as it stands there."""
    text = body_of(text.strip())
    return _cut(text, most)


def _cut(text: str, most: int = _QUOTED) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _often(usual: float, window: int) -> str:
    return f"{usual:.0f}" if usual >= 1 else f"1 in {window / usual:,.0f}"
