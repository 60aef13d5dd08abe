"""The words that a search can be completed with: keys with operators, and values where there are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import django_filters as df

from .expansion import Vocabulary

_YES_OR_NO = ("yes", "no")


def completions(filters: Mapping[str, df.Filter], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The words, such as "status:pending", or "source:" where any value is possible."""
    found = (
        word
        for spelling, names in vocabulary.items()
        if not spelling.endswith(",")
        for word in _of(spelling, filters[names[0]])
    )
    return tuple(dict.fromkeys(found))


def _of(spelling: str, each: df.Filter) -> Iterator[str]:
    if isinstance(each, df.BooleanFilter):
        values: tuple[str, ...] = _YES_OR_NO
    else:
        values = tuple(str(key) for key, _ in each.extra.get("choices", ()))
    if not values or spelling.startswith("-"):
        yield spelling
    yield from (f"{spelling}{value}" for value in values if not spelling.startswith("-"))
