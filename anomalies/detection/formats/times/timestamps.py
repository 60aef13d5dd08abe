"""The timestamp of a line of a log: its moment, found in the text."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, get_args

from .layouts import BY_NAME, DATES, HINT, LAYOUTS, Layout, epoch_at
from .learning import SEARCHED, Learnt, Stamp, learn
from .moments import Local, Years, moment_of_epoch, moment_of_parts
from .strptime_format import TimeFormat

DateOrder = Literal["dmy", "mdy", "ymd"]
_IMPOSSIBLE = (ValueError, OverflowError, KeyError)  # 30 February, hour 25, an offset of 99 hours, year 0
_SILENT = 100  # lines without a stamp of the layouts learnt, after which another one is looked for
_LOOKED_AGAIN = 10  # and then in each tenth line, because that costs a multiple
_MOST_LEARNT = 4
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MOST_KNOWN = 512  # stamps: the lines of several programs share a second
_LONGEST = 64  # characters of a field that may be a stamp


class TimestampReader:
    """A reader of the timestamps of lines, as an aware datetime in UTC.

    `reference` (aware; ValueError otherwise) is about when the log ends, for example when its file was last
    written: a stamp without a year is put into the latest year that does not place it more than a day after
    the reference; without one it is not read. A given `year` is that of the first such stamp instead.
    `timezone` holds for stamps that name no zone, and for names other than Z, UTC and GMT, because the same
    abbreviation stands for several zones; in the hour that comes twice there the order of the stamps decides.
    `date_order` is that of dates in numbers. With a `time_format`, as of strptime, stamps of that format are
    read and no others (ValueError for a bad directive or a format without a date). `time_field` is the path
    of the field that the formats with fields take the time from, '' for the usual ones.

    Until it has learnt the layout of a stream (`learn`) it reads the first stamp of any layout.
    """

    def __init__(
        self,
        reference: datetime | None,
        timezone: tzinfo = UTC,
        time_format: str | None = None,
        *,
        year: int | None = None,
        date_order: DateOrder | None = None,
        time_field: str = "",
    ) -> None:
        if reference is not None and reference.tzinfo is None:
            raise ValueError("reference must be an aware datetime")
        if date_order is not None and date_order not in get_args(DateOrder):
            raise ValueError(f"{date_order!r} is no order of a date; the orders are dmy, mdy and ymd")
        self.time_field = time_field
        self.note = ""
        self._latest = reference and reference.astimezone(UTC) + timedelta(days=1)
        self._timezone = timezone
        self._local = Local(timezone)
        self._years = Years(self._latest, year)
        self._order = date_order
        self._format = None if time_format is None else TimeFormat(time_format)
        self._learnt: list[Layout] | None = None
        self._fields: list[Layout] = [layout for layout in LAYOUTS if self._may_be(layout)]
        self._has_learnt_fields = False
        self._missed = 0
        self._last: datetime | None = None
        self._seen = ""  # many lines in a row have the same stamp
        self._seen_moment: datetime | None = None
        # The latest moments by their stamps, where a stamp means the same wherever it stands: in other zones,
        # and with a year that is counted on, the stamp before it matters.
        self._known: dict[str, datetime] = {}
        self._is_known = timezone is UTC and year is None

    def move_to(self, reference: datetime) -> None:
        """Take a later time as the reference: a log that is followed may run for years."""
        self._latest = reference.astimezone(UTC) + timedelta(days=1)
        self._years.move_to(self._latest)
        self._known.clear()

    def learn(self, texts: Sequence[str]) -> None:
        """Learn the layout of the stream's stamps from its first lines: from now on those alone are read.

        Raises AmbiguousDates (a ValueError) where the order of day and month can't be known. Where later
        lines have none of them for long, another layout is looked for again.
        """
        if self._format is None:
            learnt = learn([text[:SEARCHED] for text in texts], self._first, self._latest)
            self._take(learnt)

    def learn_fields(self, texts: Sequence[str]) -> None:
        """Learn the layout of a field or column that holds nothing but stamps; raises as `learn` does."""
        if self._format is None:
            learnt = learn([text.strip()[:_LONGEST] for text in texts], self._whole, self._latest)
            self.note = learnt.note
            self._fields = [*learnt.layouts, *(one for one in self._fields if one not in learnt.layouts)]
            self._has_learnt_fields = bool(learnt.layouts)
            self._seen = ""

    def read(self, text: str) -> datetime | None:
        """Return the moment of a line by the opening 200 characters; None for none or an impossible one."""
        if self._learnt is None:
            return self._remembered(self._search(text[:SEARCHED]))
        shape = b""
        for layout in self._learnt:
            match = layout.pattern.match(text, 0, SEARCHED)
            if match is None:
                shape = shape or text[:SEARCHED].encode("ascii", "replace").translate(_ZEROS)
                for trace in layout.traces:
                    if trace in shape:
                        break
                else:
                    continue
                match = layout.pattern.search(text, 0, SEARCHED)
            if match is not None:
                self._missed = 0
                stamp = match.group()
                moment = self._known.get(stamp)
                if moment is None:
                    moment = self._read_stamp(stamp, layout, match)
                if moment is not None:
                    self._last = moment
                return moment
        return self._look_again(text)

    def _read_stamp(self, stamp: str, layout: Layout, match: re.Match[str]) -> datetime | None:
        """Read a stamp of a layout that was learnt."""
        if stamp != self._seen:
            moment = self._iso(stamp) or self._moment(layout.parts(match))
            self._seen, self._seen_moment = stamp, moment
            if moment is not None and self._is_known:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[stamp] = moment
        return self._seen_moment

    def read_field(self, text: str) -> datetime | None:
        """Return the moment that a whole field or cell names, a date alone too; None where it is none."""
        if text != self._seen:
            stripped = text.strip()[:SEARCHED]
            if self._format is not None:
                moment = self._read_format(stripped, whole=True)
            else:
                moment = self._iso(stripped) or self._field(stripped)
            self._seen, self._seen_moment = text, moment
        return self._remembered(self._seen_moment)

    def read_number(self, number: int | float) -> datetime | None:
        """Return the moment of seconds, milli-, micro- or nanoseconds since 1970; None for other numbers."""
        if self._format is not None:
            return self._read_format(repr(number), whole=True)
        return self._remembered(moment_of_epoch(number))

    def state(self) -> Any:
        """Return what it learnt, as plain JSON values, for `restore`."""
        learnt = None if self._learnt is None else [layout.name for layout in self._learnt]
        return [learnt, self._missed, self._last and self._last.isoformat()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        learnt, self._missed, last = state
        self._learnt = None if learnt is None else [_layout_of(name) for name in learnt]
        self._last = last and datetime.fromisoformat(last)
        self._forget_stamps()

    def _take(self, learnt: Learnt) -> None:
        self.note = learnt.note
        self._learnt = list(learnt.layouts)
        self._forget_stamps()

    def _forget_stamps(self) -> None:
        self._seen, self._seen_moment = "", None
        self._known.clear()

    def _may_be(self, layout: Layout) -> bool:
        return self._order is None or len(layout.order) != 3 or layout.order == self._order

    def _remembered(self, moment: datetime | None) -> datetime | None:
        if moment is not None:
            self._last = moment
        return moment

    def _search(self, text: str) -> datetime | None:
        """The moment named first in a text, by any layout."""
        if self._format is not None:
            return self._read_format(text)
        found = None
        for layout in self._fields if HINT.search(text) else ():
            stamp = self._first(layout, text) if not layout.weak else None
            if stamp is not None and (found is None or stamp[0] < found[0]):
                found, chosen = stamp, layout
                if not stamp[0]:
                    break
        return None if found is None or self._is_ambiguous(chosen, found[1]) else found[2]

    def _is_ambiguous(self, layout: Layout, stamp: str) -> bool:
        """Return whether a date in numbers is also valid with the month first, and nothing decides which."""
        if layout.order != "dmy" or self._order:
            return False
        readings = {
            found[2]
            for one in (*self._fields, *DATES)
            if one.order in ("dmy", "mdy") and (found := self._whole(one, stamp))
        }
        return len(readings) > 1

    def _look_again(self, text: str) -> datetime | None:
        """A line without a stamp of the layouts learnt: a traceback's, or the stream has changed."""
        if self._format is not None:
            return self._remembered(self._read_format(text[:SEARCHED]))
        self._missed += 1
        if self._missed < _SILENT or self._missed % _LOOKED_AGAIN:
            return None
        head = text[:SEARCHED]
        for layout in self._fields:
            stamp = self._first(layout, head) if not layout.weak else None
            if stamp is not None:
                self._learnt = [layout, *(self._learnt or [])][:_MOST_LEARNT]
                self._known.clear()
                return self._remembered(stamp[2])
        return None

    def _first(self, layout: Layout, text: str) -> Stamp | None:
        match = layout.pattern.search(text) if self._may_be(layout) else None
        moment = self._moment(layout.parts(match)) if match else None
        return (match.start(), match.group(), moment) if match and moment else None

    def _whole(self, layout: Layout, text: str) -> Stamp | None:
        match = layout.pattern.fullmatch(text) if self._may_be(layout) else None
        moment = self._moment(layout.parts(match)) if match else None
        return (0, text, moment) if moment else None

    def _iso(self, text: str) -> datetime | None:
        """The usual layout, by the library's own reader, which is ten times as fast."""
        if len(text) < 19 or text[4] != "-" or text[7] != "-":
            return None
        try:
            if text.endswith(" UTC"):
                return _storable(datetime.fromisoformat(text[:-4]).replace(tzinfo=UTC))
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is UTC:
                return _storable(moment)
            aware = self._local.utc(moment, self._last) if moment.tzinfo is None else moment.astimezone(UTC)
        except _IMPOSSIBLE:
            return None
        return _storable(aware)

    def _field(self, text: str) -> datetime | None:
        for layout in (*self._fields, *DATES):
            stamp = self._whole(layout, text)
            if stamp is not None:
                learnt = layout is self._fields[0] and self._has_learnt_fields
                return None if not learnt and self._is_ambiguous(layout, text) else stamp[2]
        return None

    def _moment(self, parts: tuple[str | None, ...]) -> datetime | None:
        try:
            return _storable(moment_of_parts(parts, self._last, self._local, self._years))
        except _IMPOSSIBLE:
            return None

    def _read_format(self, text: str, whole: bool = False) -> datetime | None:
        assert self._format is not None
        try:
            return _storable(self._format.read(text, self._timezone, self._latest, whole))
        except _IMPOSSIBLE:
            return None


def _storable(moment: datetime | None) -> datetime | None:
    """A day inside what a datetime holds, so that every time zone can show it, and a database take it."""
    return moment if moment is None or 1 < moment.year < 9999 else None


def _layout_of(name: str) -> Layout:
    return BY_NAME[name] if name in BY_NAME else epoch_at(int(name.rpartition(" ")[2]))
