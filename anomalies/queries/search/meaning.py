"""The meaning of a filter beside its field: its place and words in a sentence, and its words in a search."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import django_filters as df
from django.utils import timezone
from django.utils.translation import gettext as _

from anomalies.languages import formats
from anomalies.languages.words import either
from anomalies.local_times import zone_mark
from anomalies.models import DismissalReason, Status, Stream

from .fields import LocalMomentFilter, UnitIntervalFilter

# Positions of the filters in the sentence: "significant, pending logs of the last 24 h with NCD ≥ 0.8".
ADJECTIVE, STATUS, NOUN, TIME, FEATURE, TEXT, PERSON = range(7)


_NOTHING = 1e-12  # between a bound and the next number, which stands for it where the bound is excluded


@dataclass(frozen=True, slots=True)
class Meaning:
    """A filter's properties beside its field: ``say`` describes a value in words, at ``place`` in a sentence.

    ``words`` are those that set it in a search, without their value (``search.expansion.Vocabulary``).
    ``is_rolled_up``: the hourly roll-up can count it. ``keeps_runs``: it selects whole detection runs, whose
    number of tested windows is known. ``is_faceted``: the list counts each of its choices.
    """

    place: int
    say: Callable[[Any], str]
    words: tuple[str, ...] = ()
    is_rolled_up: bool = False
    keeps_runs: bool = False
    is_faceted: bool = False


def declared(each: df.Filter, place: int, say: Callable[[Any], str], *words: str, **can: bool) -> df.Filter:
    """Attach a Meaning to a filter; form, chips, sentence, words, command option and docs derive from it."""
    each.meaning = Meaning(place, say, words, **can)
    return each


def any_of(choices: type[Status] | type[Stream] | type[DismissalReason]) -> Callable[[list[str]], str]:
    """A function that joins the labels of chosen values by "or"."""
    return lambda values: either(str(choices(value).label) for value in values)


def at(value: datetime) -> str:
    """A moment in the desk's zone."""
    local = timezone.localtime(value)
    words = formats.date_and_time(local) if local.second else formats.date_and_minute(local)
    return f"{words}{zone_mark(value) or f' {timezone.get_current_timezone_name()}'}"


def pairs(wanted: dict[str, Any]) -> str:
    """An object as key=value, separated by commas."""
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in wanted.items()
    )


def moment(lookup: str, label: Any, sentence: Any, *words: str) -> df.Filter:
    """A filter by a bound of the time; ``sentence`` has its place, as in "from %(when)s"."""
    each = LocalMomentFilter(lookup_expr=lookup, label=label)
    can = {"is_rolled_up": True, "keeps_runs": True}
    return declared(each, TIME, lambda value: str(sentence) % {"when": at(value)}, *words, **can)


def bound(column: str, lookup: str, label: Any, name: str) -> df.Filter:
    """A filter by a bound of a measure, from 0 to 1."""
    each = UnitIntervalFilter(field_name=column, lookup_expr=lookup, label=label)
    sign, key, is_least = ("<" if lookup == "lte" else ">"), name.lower(), lookup == "gte"
    words = (f"{key}{sign}=", f"{key}{sign}", f"{key}:", f"{key}=")
    return declared(
        each,
        FEATURE,
        lambda value: _("with %(bound)s") % {"bound": f"{name} {_limit(value, is_least)}"},
        *words,
    )


def _limit(value: float, is_least: bool) -> str:
    """A bound in words: "≥ 0.8", or "> 0.8" for the next number beyond 0.8."""
    excluded = math.nextafter(value, -math.inf if is_least else math.inf)
    if len(repr(excluded)) < len(repr(value)) and abs(excluded - value) < _NOTHING:
        return f"{'>' if is_least else '<'} {formats.number_text(f'{excluded:g}')}"
    return f"{'≥' if is_least else '≤'} {formats.number_text(f'{value:g}')}"
