"""Find the moment that a log line says it happened at."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import partial

from .time_format import TimeFormat, in_latest_year

_SEARCHED = 200  # characters: a stamp further inside is about something else
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = f"(?P<name>{'|'.join(_MONTHS)})"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d)"
_SECOND = r":(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
_EPOCH = r"(?P<epoch>[1-3]\d{9})(?P<sub>\d{3}|\d{6}|\d{9}|\.\d{1,9})?(?!\d)"  # 2001 to 2096, s, ms, µs or ns

# A day inside what a datetime holds, so that every time zone can show it, and a database take it.
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

_compile = partial(re.compile, flags=re.ASCII)

# Where two match at the same place the earlier one is taken. None repeats a repetition: all are linear.
_FORMATS = (
    _compile(rf"\A\[?{_EPOCH}(?![\w.-])"),
    _compile(rf'"(?:@?timestamp|time|ts)"\s?:\s?"?{_EPOCH}'),
    _compile(
        rf"(?<!\d)(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}(?:{_SECOND})?"
        r"(?: ?(?P<offset>[+-]\d\d(?::?\d\d)?)(?!\d)| ?(?P<zone>Z|UTC|GMT)\b)?"
    ),
    _compile(
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)-"
        r"(?P<hour>\d\d)\.(?P<minute>\d\d)\.(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"
    ),
    _compile(
        rf"(?<!\d)(?P<day>\d\d)/{_MONTH}/(?P<year>\d{{4}}):{_CLOCK}{_SECOND}(?: (?P<offset>[+-]\d{{4}}))?"
    ),
    _compile(rf"\b[MTWFS][a-z]{{2}} {_MONTH} {{1,2}}(?P<day>\d\d?) {_CLOCK}{_SECOND} (?P<year>\d{{4}})\b"),
    _compile(rf"\b{_MONTH} {{1,2}}(?P<day>\d\d?) {_CLOCK}{_SECOND}"),
    _compile(
        r"\A(?P<short>\d\d)(?P<month>\d\d)(?P<day>\d\d) (?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?!\d)"
    ),
)
_DATE = _compile(r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)")


class TimestampReader:
    """Reads the first timestamp of a line, as an aware datetime in UTC.

    `reference` (aware; ValueError otherwise) is about when the log ends, for example when its file was last
    written: a stamp without a year is put into the latest year that does not place it more than a day after
    the reference; without one it is not read. `timezone` holds for stamps that name no zone, and for names
    other than Z, UTC and GMT, because the same abbreviation stands for several zones. With a `time_format`,
    as of strptime, stamps of that format are read and no others (ValueError for a bad directive or a format
    without a date).
    """

    def __init__(
        self, reference: datetime | None, timezone: tzinfo = UTC, time_format: str | None = None
    ) -> None:
        if reference is not None and reference.tzinfo is None:
            raise ValueError("reference must be an aware datetime")
        self._latest = reference and reference.astimezone(UTC) + timedelta(days=1)
        self._timezone = timezone
        self._told = None if time_format is None else TimeFormat(time_format)

    def move_to(self, reference: datetime) -> None:
        """Take a later time as the reference: a log that is read while it is written goes on for years."""
        self._latest = reference.astimezone(UTC) + timedelta(days=1)

    def read(self, text: str) -> datetime | None:
        """Return the moment named first in the opening 200 characters; None for none or an impossible one."""
        head = text[:_SEARCHED]
        if self._told is not None:
            return self._read_told(head)
        matches = [match for pattern in _FORMATS if (match := pattern.search(head))]
        if not matches:
            return None
        return self._possible(min(matches, key=lambda match: match.start()))

    def read_field(self, text: str) -> datetime | None:
        """Return the moment that a whole field or cell names, a date alone too; None where it is none."""
        text = text.strip()[:_SEARCHED]
        if self._told is not None:
            return self._read_told(text, whole=True)
        matches = (match for pattern in (*_FORMATS, _DATE) if (match := pattern.fullmatch(text)))
        match = next(matches, None)
        return self._possible(match) if match else None

    def _read_told(self, text: str, whole: bool = False) -> datetime | None:
        assert self._told is not None
        try:
            return _storable(self._told.read(text, self._timezone, self._latest, whole))
        except (ValueError, OverflowError):
            return None

    def _possible(self, match: re.Match[str]) -> datetime | None:
        try:
            return _storable(self._moment(match.groupdict()))
        except (ValueError, OverflowError):  # 30 February, hour 25, an offset of 99 hours, year 0
            return None

    def _moment(self, parts: dict[str, str | None]) -> datetime:
        epoch = parts.get("epoch")
        if epoch:
            return datetime.fromtimestamp(int(epoch), UTC) + _fraction((parts["sub"] or "").lstrip("."))
        zone = self._zone(parts.get("offset"), parts.get("zone"))
        year = _year(parts)
        if year is not None:
            return _local(year, parts, zone).astimezone(UTC)
        return self._in_latest_year(parts, zone)

    def _zone(self, offset: str | None, name: str | None) -> tzinfo:
        if offset:
            digits = offset[1:].replace(":", "").ljust(4, "0")
            span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            return timezone(-span if offset[0] == "-" else span)
        return UTC if name else self._timezone

    def _in_latest_year(self, parts: dict[str, str | None], zone: tzinfo) -> datetime:
        return in_latest_year(self._latest, lambda year: _local(year, parts, zone))


def _storable(moment: datetime | None) -> datetime | None:
    return moment if moment is None or _EARLIEST <= moment <= _LATEST else None


def _year(parts: dict[str, str | None]) -> int | None:
    short = parts.get("short")
    if short:
        # POSIX: 69 to 99 are the 1900s.
        return int(short) + (1900 if int(short) >= 69 else 2000)
    year = parts.get("year")
    return int(year) if year else None


def _local(year: int, parts: dict[str, str | None], zone: tzinfo) -> datetime:
    name = parts.get("name")
    month = _MONTHS.index(name) + 1 if name else int(parts["month"] or 0)
    day, hour, minute, second = (int(parts.get(part) or 0) for part in ("day", "hour", "minute", "second"))
    return datetime(year, month, day, hour, minute, second, tzinfo=zone) + _fraction(parts.get("fraction"))


def _fraction(digits: str | None) -> timedelta:
    return timedelta(microseconds=int((digits or "").ljust(6, "0")[:6]))
