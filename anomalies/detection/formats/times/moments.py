"""The parts of a stamp to a moment in UTC: zones, the repeated hour, missing years, epochs."""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from .layouts import MONTHS, Parts

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAI_LABEL = 2**62 + 10  # of 1970, as daemontools writes it: leap seconds after the first ten are left out
_UNITS = ((10**9, 1), (10**12, 10**3), (10**15, 10**6), (10**18, 10**9))  # of s, ms, µs, ns in 2001
_FILETIME = 116_444_736_000_000_000  # of 1970, as Windows counts tenths of a microsecond since 1601
_OUT_OF_ORDER = timedelta(minutes=1)  # lines of several threads may be so much older than the one before
_LATER_YEAR = timedelta(days=300)  # a stamp without a year that is so much older is of the next year
_CACHED_DAYS = 64


class Local:
    """Moments of stamps that name no offset, in one zone.

    Where clocks are put back an hour comes twice, and a stamp in it has two readings. The order of the lines
    resolves it: the first reading, unless that is before the moment that was read last.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._offsets: dict[date, timedelta | None] = {}

    def utc(self, local: datetime, last: datetime | None) -> datetime:
        """Return the moment of a naive local time; `last` is the one that was read before, if any."""
        if self._zone is UTC:
            return local.replace(tzinfo=UTC)
        offset = self._offset_of(local.date())
        if offset is not None:
            return (local - offset).replace(tzinfo=UTC)
        first = local.replace(tzinfo=self._zone).astimezone(UTC)
        second = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        return second if last and first < last - _OUT_OF_ORDER and second > first else first

    def _offset_of(self, day: date) -> timedelta | None:
        """The offset of a day from UTC; None for one on which it changes."""
        if day not in self._offsets:
            if len(self._offsets) >= _CACHED_DAYS:
                self._offsets.clear()
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=self._zone)
            around = [(noon + hours).utcoffset() for hours in (-_DAY, timedelta(0), _DAY)]
            self._offsets[day] = around[1] if around[0] == around[1] == around[2] else None
        return self._offsets[day]


class Years:
    """The year of stamps that have none.

    A given `year` is that of the first stamp, and where a stamp is 300 days and more before the one read
    last, the next year has begun. Without one it is the latest year that does not place the stamp after
    `latest`.
    """

    def __init__(self, latest: datetime | None, year: int | None = None) -> None:
        self.latest = latest
        self.given = year
        self._known: dict[tuple[int, int], int] = {}

    def move_to(self, latest: datetime) -> None:
        """Use another moment as the latest."""
        if self.latest is None or latest.date() != self.latest.date():
            self._known.clear()
        self.latest = latest

    def resolve(self, local: datetime, last: datetime | None, zone: Local) -> datetime:
        """Return the moment of a local time in the leap year 2000. ValueError where no year fits."""
        if self.given is not None:
            return self._after(local, last, zone, self.given)
        if self.latest is None:
            raise ValueError("no year is known")
        known = self._known.get((local.month, local.day))
        if known is not None:
            return zone.utc(local.replace(year=known), last)
        # Eight years, because 29 February is missing for that long around 1900 and 2100.
        for year in range(self.latest.year + 1, self.latest.year - 9, -1):
            moment = _in_year(local, year, last, zone)
            if moment is not None and moment <= self.latest:
                if moment <= self.latest - 2 * _DAY:  # the whole day is before the latest moment
                    self._known[local.month, local.day] = year
                return moment
        raise ValueError("no year fits")

    def _after(self, local: datetime, last: datetime | None, zone: Local, year: int) -> datetime:
        year = max(year, last.year - 1) if last else year
        for candidate in range(year, year + 9):
            moment = _in_year(local, candidate, last, zone)
            if moment is not None and (last is None or moment > last - _LATER_YEAR):
                return moment
        raise ValueError("no year fits")


def _in_year(local: datetime, year: int, last: datetime | None, zone: Local) -> datetime | None:
    try:
        return zone.utc(local.replace(year=year), last)
    except (ValueError, OverflowError):  # 29 February
        return None


def moment_of_parts(parts: Parts, last: datetime | None, local: Local, years: Years) -> datetime:
    """Return the moment that the parts of a stamp name, in UTC; ValueError for an impossible one."""
    year, month, day, hour, minute, second, fraction, millis, half, offset, zone, epoch, sub, tai = parts
    if epoch:
        return moment_of_epoch_text(epoch, sub)
    if tai:
        return moment_of_tai(tai)
    micros = int(fraction[:6].ljust(6, "0")) if fraction else int(millis) * 1000 if millis else 0
    hours = _hours(int(hour or 0), half)
    seconds = min(59, int(second)) if second and second != "60" else 59 if second else 0
    number = MONTHS.get(month or "") or MONTHS[(month or "").lower()[:3]]
    full_year = 2000 if year is None else _year(year)
    moment = datetime(full_year, number, int(day or 1), hours, int(minute or 0), seconds, micros)
    if year is None:
        return years.resolve(moment, last, local)
    if offset:
        return moment.replace(tzinfo=_zone(offset)).astimezone(UTC)
    if zone:
        return moment.replace(tzinfo=UTC)
    return local.utc(moment, last)


def _year(text: str) -> int:
    # POSIX: 69 to 99 are the 1900s.
    return int(text) if len(text) == 4 else int(text) + (1900 if int(text) >= 69 else 2000)


def _hours(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("there is no such hour of a half day")
    return hour % 12 + (12 if half in "pP" else 0)


@lru_cache(maxsize=128)
def _zone(offset: str) -> tzinfo:
    digits = offset[1:].replace(":", "").ljust(4, "0")
    span = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-span if offset[0] == "-" else span)


def moment_of_epoch_text(seconds: str, sub: str | None) -> datetime:
    """Return the moment of the seconds since 1970 and the digits after them."""
    moment = datetime.fromtimestamp(int(seconds), UTC)
    digits = (sub or "").lstrip(".")
    return moment + timedelta(microseconds=int(digits.ljust(6, "0")[:6])) if digits else moment


def moment_of_epoch(number: int | float) -> datetime | None:
    """Return the moment of seconds, milli-, micro- or nanoseconds since 1970; None for other numbers.

    The size tells the unit: seconds lie between 2001 and 2096. Between µs and ns there is only room for what
    Windows counts since 1601.
    """
    if _FILETIME + 10**16 <= number < _FILETIME + 4 * 10**16:
        return _EPOCH + timedelta(microseconds=(number - _FILETIME) // 10)
    for least, unit in _UNITS:
        if least <= number < 4 * least:
            if isinstance(number, int):
                return _EPOCH + timedelta(seconds=number // unit, microseconds=number % unit * 10**6 // unit)
            return _EPOCH + timedelta(microseconds=round(number / unit * 10**6))
    return None


def moment_of_tai(label: str) -> datetime:
    """Return the moment of a TAI64 or TAI64N label, its @ left out."""
    seconds = int(label[:16], 16) - _TAI_LABEL
    nanos = int(label[16:], 16) if len(label) > 16 else 0
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
