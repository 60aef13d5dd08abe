"""Numbers, dates and times as text, in the language of the reader and the format that the reader chose.

Numbers follow the language: 9,924.5 in English, 9.924,5 in German. Dates and times are ISO 8601 with 24 hours
unless the reader chose those of the language. What programs read is written without these functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache

from django.utils.dateformat import format as formatted
from django.utils.formats import get_format
from django.utils.translation import get_language, pgettext

ISO, OF_LANGUAGE = "iso", "language"
_chosen: ContextVar[str] = ContextVar("date_format", default=ISO)


@contextmanager
def using(chosen: str) -> Iterator[None]:
    """Write dates and times in this format within the block."""
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


def is_iso() -> bool:
    """True if dates and times are written as ISO 8601."""
    return _chosen.get() != OF_LANGUAGE


@lru_cache(maxsize=32)
def _separators(language: str) -> dict[int, str]:
    """The marks of a language for the comma and the point of an English number; empty for the same."""
    found = {
        ",": str(get_format("THOUSAND_SEPARATOR", language)),
        ".": str(get_format("DECIMAL_SEPARATOR", language)),
    }
    return {ord(mark): other for mark, other in found.items() if mark != other}


def number_text(english: str) -> str:
    """Return a number that Python has formatted ("9,924.5") with the separators of the language."""
    separators = _separators(get_language() or "en")
    return english.translate(separators) if separators else english


def count(number: float) -> str:
    """Return a whole number: "9,924"."""
    return number_text(f"{number:,}" if isinstance(number, int) else f"{number:,.0f}")


def percent_text(number: str) -> str:
    """Return a number that is text already as a percentage: "90%"."""
    return pgettext("percentage", "%(number)s%%") % {"number": number}


def share(value: float, digits: int = 0) -> str:
    """Return a share from 0 to 1 as a percentage: "90%" for 0.9."""
    return percent_text(number_text(f"{value * 100:,.{digits}f}"))


def date_and_time(local: datetime) -> str:
    """Return a local time as "2026-11-23 14:05:00", or as the language writes it."""
    if is_iso():
        return f"{local:%Y-%m-%d %H:%M:%S}"
    # Translators: a date with a time to the second, in the letters of Django's filter "date".
    return formatted(local, pgettext("format", "M j, Y, g:i:s A"))


def date_and_minute(local: datetime) -> str:
    """Return a local time as "2026-11-23 14:05", or as the language writes it."""
    if is_iso():
        return f"{local:%Y-%m-%d %H:%M}"
    # Translators: a date with a time to the minute, in the letters of Django's filter "date".
    return formatted(local, pgettext("format", "M j, Y, g:i A"))


def date(local: datetime) -> str:
    """Return the date of a local time as "2026-11-23", or as the language writes it."""
    # Translators: a date, in the letters of Django's filter "date".
    return f"{local:%Y-%m-%d}" if is_iso() else formatted(local, pgettext("format", "M j, Y"))


def clock(local: datetime) -> str:
    """Return the time of day as "14:05:00", or as the language writes it."""
    # Translators: a time of day to the second, in the letters of Django's filter "date".
    return f"{local:%H:%M:%S}" if is_iso() else formatted(local, pgettext("format", "g:i:s A"))


def clock_minute(local: datetime) -> str:
    """Return the time of day as "14:05", or as the language writes it."""
    # Translators: a time of day to the minute, in the letters of Django's filter "date".
    return f"{local:%H:%M}" if is_iso() else formatted(local, pgettext("format", "g:i A"))


def month_of(local: datetime) -> str:
    """Return the month with its year: "November 2026"."""
    return formatted(local, "F Y")


def day_of(local: datetime) -> str:
    """Return the day with its month: "23 November"."""
    # Translators: a day with the name of its month, in the letters of Django's filter "date".
    return formatted(local, pgettext("format", "j F"))


def weekday(local: datetime) -> str:
    """Return the weekday in its short form: "Mon"."""
    return formatted(local, "D")


def weekday_and_day(local: datetime) -> str:
    """Return a weekday with its day and month, as a chart's table names it: "Mon 23 Nov"."""
    # Translators: a short weekday, a day and a short month, in the letters of Django's filter "date".
    return formatted(local, pgettext("format", "D d M"))
