"""The layouts that timestamps are written in.

Each layout is one linear regular expression with named parts; none repeats a repetition. The three orders of
a date in numbers alone are three layouts, because 03/04/2026 is of all of them and only the stream tells
which one is meant (`learning`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

PARTS = (
    "year", "month", "day", "hour", "minute", "second", "fraction", "millis", "half", "offset", "zone",
    "epoch", "sub", "tai",
)  # fmt: skip
Parts = tuple[str | None, ...]

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_FULL = "january february march april may june july august september october november december".split()
# The number of a month by each way to write it: one look-up for names and numbers alike.
MONTHS = {
    spelt: number
    for names in (_NAMES, _FULL)
    for number, name in enumerate(names, 1)
    for spelt in (name, name.upper(), name.title())
} | {text: number for number in range(1, 13) for text in (str(number), f"{number:02}")}

_compile = partial(re.compile, flags=re.ASCII)
_MONTH = rf"(?P<month>(?i:{'|'.join(name[:3] + f'(?:{name[3:]})?' if name[3:] else name for name in _FULL)}))"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)"
_SECOND = r":(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
# A narrow or a non-breaking space stands before AM and PM where a system of today's Windows or Java wrote it.
_HALF = r"(?:[ \u202f\u00a0]?(?P<half>[AaPp])\.?[Mm]\b\.?)?"
# Go writes the zone's name behind its offset, and what its clock counted; Java the zone in brackets.
_ZONE = (
    r"(?: ?(?P<offset>[+-]\d\d(?::?\d\d)?)(?!\d)(?: (?:UTC|GMT|[A-Z]{1,3}T)\b(?: m=[+-][\d.]{1,30})?)?"
    r"| ?(?P<zone>Z|UTC|GMT)\b)?(?:\[[A-Za-z][\w/+-]{1,40}\])?"
)
_TIME = rf"{_CLOCK}(?:{_SECOND})?{_HALF}"
_DAY, _YEAR, _SHORT = r"(?P<day>\d{1,2})", r"(?P<year>\d{4})", r"(?P<year>\d\d)"
_EPOCH = r"(?P<epoch>[1-3]\d{9})(?P<sub>\d{9}|\d{6}|\d{3}|\.\d{1,9})?"  # 2001 to 2096: s, ms, µs or ns
_TWO_MONTH, _TWO_DAY = r"(?P<month>[01]?\d)", r"(?P<day>[0-3]?\d)"
_BETWEEN = r"(?:,? |T|,|:| - )"  # a date and its time


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: where its stamps are, and their parts.

    `order` names the order of the numbers of a date that may be read in several ('' for one that can't).
    A `weak` one says so little that it is believed only in a place where nearly every line has it.
    One of its `traces` is in every text that has such a stamp, once all digits are zeros: this is looked for
    first, since a search that finds nothing tries the expression at every character.
    """

    name: str
    pattern: re.Pattern[str]
    order: str
    weak: bool
    has_year: bool
    parts: Callable[[re.Match[str]], Parts]
    traces: tuple[bytes, ...]


def _layout(
    name: str, pattern: str, order: str = "", weak: bool = False, traces: tuple[bytes, ...] = (b"",)
) -> Layout:
    compiled = _compile(pattern)
    places = compiled.groupindex
    get: Any = itemgetter(*(places.get(part, 0) for part in PARTS))

    def parts(match: re.Match[str]) -> Parts:
        found: Parts = get((None, *match.groups()))
        return found

    return Layout(name, compiled, order, weak, bool({"year", "epoch", "tai"} & places.keys()), parts, traces)


def _numeric(order: str, year: str) -> Layout:
    spelt = {"y": year, "m": _TWO_MONTH, "d": _TWO_DAY}
    first, second, third = (spelt[letter] for letter in order)
    date = rf"(?<![\d/.-]){first}(?P<between>[/.-]){second}(?P=between){third}"
    return _layout(f"{order} of {4 if year == _YEAR else 2}", rf"{date}{_BETWEEN}{_TIME}{_ZONE}", order)


def _yearless(order: str) -> Layout:
    first, second = (r"(?P<month>[01]\d)", r"(?P<day>[0-3]\d)")[:: 1 if order == "md" else -1]
    date = rf"(?<![\d/.-]){first}[/.-]{second} "
    return _layout(f"{order} without a year", rf"{date}{_CLOCK}{_SECOND}{_HALF}", order)


# The common ones first: who looks for the first stamp of a line ends at one that begins the line.
LAYOUTS = (
    _layout(
        "iso",
        rf"(?<!\d){_YEAR}(?P<between>[-/.])(?P<month>\d\d)(?P=between)(?P<day>\d\d)(?:,? |T)"
        rf"{_TIME}{_ZONE}",
        traces=(b"0000-00-00", b"0000/00/00", b"0000.00.00"),
    ),
    _layout("syslog", rf"\b{_MONTH} {{1,2}}{_DAY} {_CLOCK}{_SECOND}", traces=(b"0 00:00:00", b"0 0:00:00")),
    _layout("epoch at the start", rf"\A\s*+\[?{_EPOCH}(?![\w.-])"),
    _layout("epoch in JSON", rf'"(?:@?timestamp|time|ts)"\s?:\s?"?{_EPOCH}(?!\d)'),
    _layout("epoch by name", rf"(?:^|[\s,;])(?:ts|time|timestamp|t|at)=\"?{_EPOCH}(?![\w.-])"),
    _layout("audit", rf"\baudit\({_EPOCH}:\d+\)"),
    _layout(
        "clf",
        rf"(?<!\d)(?P<day>\d\d)/{_MONTH}/{_YEAR}:{_CLOCK}{_SECOND}(?: (?P<offset>[+-]\d{{4}}))?",
        traces=(b"/0000:0",),
    ),
    _layout(
        "asctime",
        rf"\b[MTWFS][a-z]{{2}} {_MONTH} {{1,2}}{_DAY} {_CLOCK}{_SECOND}"
        rf"(?: (?:(?P<zone>UTC|GMT)|[A-Z]{{3,5}}))? {_YEAR}\b",
    ),
    _layout(
        "bluegene",
        rf"(?<!\d){_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)-"
        r"(?P<hour>\d\d)\.(?P<minute>\d\d)\.(?P<second>\d\d)(?:\.(?P<fraction>\d+))?",
    ),
    _layout("month first", rf"\b{_MONTH} {{1,2}}{_DAY},? {_YEAR},? (?:(?:at|@) )?{_TIME}{_ZONE}"),
    _layout(
        "year first", rf"(?<!\d){_YEAR}(?P<between>[-/ ]){_MONTH}(?P=between){_DAY}{_BETWEEN}{_TIME}{_ZONE}"
    ),
    _layout(
        "clock first",
        rf"(?<![\w:.-]){_CLOCK}{_SECOND} {_YEAR}(?P<between>[-/.])(?P<month>\d\d)(?P=between)"
        r"(?P<day>\d\d)(?!\d|[T ]\d\d:)",
    ),
    _layout(
        "day first",
        rf"(?<!\d){_DAY}[-/. ]{_MONTH}[-/. ](?P<year>\d{{4}}|\d\d)(?:,? |T|:){_TIME}{_ZONE}",
    ),
    _layout("klog", rf"\A[IWEFD]{_YEAR}?(?P<month>[01]\d)(?P<day>[0-3]\d) {_CLOCK}{_SECOND}(?=\s)"),
    _layout(
        "compact",
        r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)[-T ]"
        r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})"
        r"(?:[.,](?P<fraction>\d+)|:(?P<millis>\d{1,3}))?(?!\d)" + _ZONE,
    ),
    _layout(
        "compact clock",
        r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)[-T ]"
        r"(?P<hour>[0-2]\d)(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?:[.,](?P<fraction>\d+))?(?!\d)" + _ZONE,
    ),
    _layout(
        "six digits",
        rf"\A{_SHORT}(?P<month>\d\d)(?P<day>\d\d) {{1,2}}(?P<hour>\d\d?):?(?P<minute>\d\d):?(?P<second>\d\d)"
        r"(?!\d)",
    ),
    _layout("tai64n", r"@(?P<tai>4[0-9a-f]{15}(?:[0-9a-f]{8})?)(?![0-9a-f])"),
    _numeric("dmy", _YEAR),
    _numeric("mdy", _YEAR),
    _numeric("ymd", _SHORT),
    _numeric("dmy", _SHORT),
    _numeric("mdy", _SHORT),
    _yearless("md"),
    _yearless("dm"),
    _layout(
        "fourteen digits",
        r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)"
        r"(?P<hour>[0-2]\d)(?P<minute>[0-5]\d)(?P<second>[0-5]\d)(?:[.,]?(?P<fraction>\d{1,6}))?(?!\d)",
        weak=True,
    ),
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}
# What no stamp of any layout is without: a line that has none of it is not searched.
HINT = _compile(r"\d[:.]\d\d|\d{10}|@4|\d{6} ")

# Dates without a time, where they are all of a field.
DATES = (
    _layout("date", rf"{_YEAR}[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)"),
    _layout("Date()", rf"/Date\({_EPOCH}(?:[+-]\d{{4}})?\)/"),
    _layout("day.month", rf"{_DAY}\.(?P<month>\d{{1,2}})\.{_YEAR}"),
    _layout("named date", rf"{_DAY}[-/. ]{_MONTH}[-/. ]{_YEAR}"),
    _layout("date dmy", rf"{_TWO_DAY}[/-]{_TWO_MONTH}[/-]{_YEAR}", "dmy"),
    _layout("date mdy", rf"{_TWO_MONTH}[/-]{_TWO_DAY}[/-]{_YEAR}", "mdy"),
)


def epoch_at(token: int) -> Layout:
    """Return the layout of an epoch that is one word of a line, after so many others."""
    return _layout(
        f"epoch in word {token}", rf"\A\s*(?:\S+\s+){{{token}}}[\[(<\"]?{_EPOCH}(?![\w.-])", weak=True
    )
