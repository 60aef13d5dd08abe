"""The value of a filter's parameter, joined from those of a form and of the words of a search."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import django_filters as df
from django.core.exceptions import ValidationError
from django.utils import timezone

from anomalies.local_times import LocalMomentField, input_text

from .fields import (
    AgeFilter,
    ContainmentField,
    ContainmentFilter,
    LocalMomentFilter,
    TagsFilter,
    UnitIntervalFilter,
    named_tags,
)
from .grammar import Word

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})\s*([smhdw])", re.IGNORECASE)
_ANSWERS = {"yes": "true", "no": "false"}


def joined(each: df.Filter, form: Sequence[str], words: Sequence[Word]) -> list[str] | None:
    """The values that mean all of what form and words ask for; None if no values do.

    A value that the filter's field will refuse is kept, beside no other one.
    """
    if isinstance(each, df.MultipleChoiceFilter):
        return _choices(each, form, words)
    given = [*form, *(_value(each, word) for word in words)]
    one = _one_of(each, given)
    return None if one is None else [one]


def _one_of(each: df.Filter, given: Sequence[str]) -> str | None:
    match each:
        case TagsFilter() if each.exclude or each.lookup_expr == "contains":
            return ",".join(dict.fromkeys(named_tags(",".join(given).split(","))))
        case ContainmentFilter():
            return _object(given)
        case LocalMomentFilter():
            return _narrowest(given, LocalMomentField().clean, each.lookup_expr)
        case UnitIntervalFilter():
            return _narrowest(given, float, each.lookup_expr)
        case AgeFilter():
            ages = [str(key) for key, _ in each.extra["choices"]]
            return _narrowest(given, ages.index, "lte")
    return given[0] if len(set(given)) == 1 else None


def _value(each: df.Filter, word: Word) -> str:
    """The value of a word as the filter's field takes it."""
    value = word.value.strip()
    match each:
        case df.BooleanFilter():
            return _ANSWERS.get(value.lower(), value.lower())
        case df.ChoiceFilter():
            return value.lower()
        case LocalMomentFilter():
            return _ago(value)
        case UnitIntervalFilter() if word.operator in ("<", ">"):
            return _beyond(value, word.operator)
    return value


def _choices(each: df.MultipleChoiceFilter, form: Sequence[str], words: Sequence[Word]) -> list[str] | None:
    """The choices left: those of the form, of any word, and of no excluding word."""
    every = [str(key) for key, _ in each.extra["choices"]]
    wanted = {value for word in words if not word.is_excluding for value in _listed(word)}
    excluded = {value for word in words if word.is_excluding for value in _listed(word)}
    if unknown := [value for value in (*form, *sorted(wanted | excluded)) if value not in every]:
        return unknown
    left = [
        value
        for value in every
        if (not form or value in form) and (not wanted or value in wanted) and value not in excluded
    ]
    return left or None


def _listed(word: Word) -> list[str]:
    return [value.strip().lower() for value in word.value.split(",") if value.strip()]


def _narrowest(given: Sequence[str], read: Callable[[str], Any], lookup: str) -> str:
    """The value with which all hold: the least upper or the greatest lower bound."""
    pairs = []
    for value in given:
        try:
            pairs.append((read(value), value))
        except (ValueError, ValidationError):
            return value
    pick = min if lookup.startswith("l") else max
    return pick(pairs)[1]


def _object(given: Sequence[str]) -> str | None:
    """One object with the pairs of all; None if two have different values for a key."""
    merged: dict[str, Any] = {}
    for value in given:
        try:
            own = ContainmentField(required=False).clean(value) or {}
        except ValidationError:
            return value
        if any(merged.get(key, each) != each for key, each in own.items()):
            return None
        merged |= own
    return given[0] if len(given) == 1 else json.dumps(merged)


def _ago(value: str) -> str:
    """A moment for a duration back from now, such as 2h; any other value as it is."""
    found = _AGO.fullmatch(value)
    if not found:
        return value
    try:
        return input_text(timezone.now() - timedelta(**{_UNITS[found[2].lower()]: int(found[1])}))
    except OverflowError:
        return value


def _beyond(value: str, operator: str) -> str:
    """The next number below or above a bound that is excluded: fields have bounds that are included."""
    try:
        return repr(math.nextafter(float(value), math.inf if operator == ">" else -math.inf))
    except ValueError:
        return value
