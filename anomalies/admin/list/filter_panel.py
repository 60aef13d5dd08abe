"""The filter panel beside the list of anomalies: fields with counts, chips, months and days."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.views.main import ChangeList
from django.utils.html import format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from anomalies.languages import formats
from anomalies.queries.facets import Figures
from anomalies.queries.filters import COMPLETIONS, FACETS, WITHIN, AnomalyFilter, in_words, words_of

from ..ui.formatting import visible
from .cached_widgets import CachingRenderer
from .date_drilldown import Calendar, Part

_RENDERER = CachingRenderer()
_FREE = ("source", "host", "service", "config", "tags_all")  # filters by any value, with their frequent ones
_TIME = ("within", "since", "until")


# The words that the search offers, the same on every page.
_COMPLETIONS = format_html_join("", '<option value="{}">', ((word,) for word in COMPLETIONS))


class Sidebar(ChangeList):
    """A changelist with its facets and its calendar."""

    filterset: AnomalyFilter
    figures: Figures
    calendar: Calendar
    completions = _COMPLETIONS

    @cached_property
    def chips(self) -> list[tuple[str, str]]:
        """Each filter that is set, in words, and the list without it."""
        return [(visible(words, 120), self.without(name)) for name, words in words_of(self.filterset).items()]

    def without(self, *names: str, **more: str) -> str:
        """The query of the list without these filters, and without the words of the search that set them."""
        changed: dict[str, str | None] = {**more}
        if self.filterset.expansion.words:
            changed["q"] = self.filterset.expansion.without(*names) or None
        return self.get_query_string(changed, remove=list(names))

    @property
    def in_words(self) -> str:
        """The list's filter as a sentence."""
        words = visible(in_words(self.filterset), 500)
        return f"{words[:1].upper()}{words[1:]}"

    @property
    def filter_fields(self) -> list[tuple[Any, list[tuple[Any, str]], list[tuple[str, str, str]]]]:
        """The filter's fields: choices with their counts, and links to the most frequent values.

        A link is (value, count, address).
        """
        form = self.filterset.form
        form.renderer = _RENDERER
        return [(field, self._boxes(field), self._values(field.name)) for field in form]

    def _values(self, name: str) -> list[tuple[str, str, str]]:
        """The most frequent values of a filter that takes any, without those that are set."""
        if name not in _FREE:
            return []
        asked = self.filterset.data.get(name) or ""
        own = {tag.strip() for tag in asked.split(",")} if name == "tags_all" else {asked}
        before = f"{asked}," if name == "tags_all" and asked else ""
        return [
            (visible(value, 60), self._least(count), self.without(name, **{name: before + value}))
            for value, count in self.figures.values.values.get(name, ())
            if value not in own
        ]

    def _least(self, count: int) -> str:
        return f"{formats.count(count)}{'+' if self.figures.values.is_part else ''}"

    def _boxes(self, field: Any) -> list[tuple[Any, str]]:
        if field.widget_type != "checkboxselectmultiple":
            return []
        if field.name not in FACETS:
            found = dict(self.figures.values.values.get(field.name, ()))
            return [
                (box, self._least(found[value]) if (value := box.data["value"]) in found else "")
                for box in field
            ]
        if self.figures.facets is None:
            return [(box, "") for box in field]
        own = FACETS.index(field.name)
        other = FACETS[1 - own]
        chosen = set(self.filterset.data.getlist(other))
        counted: Counter[str] = Counter()
        for pair, count in self.figures.facets.items():
            if not chosen or pair[1 - own] in chosen:
                counted[pair[own]] += count
        more = "+" if self.figures.is_sampled else ""
        return [(box, f"{formats.count(counted[box.data['value']])}{more}") for box in field]

    @property
    def time_links(self) -> list[tuple[str, str, bool]]:
        """The presets of the time, each with its address, and whether it is the one in the filter."""
        asked = self.filterset.data
        chosen = "" if asked.get("since") or asked.get("until") else asked.get("within") or ""
        is_any = not any(asked.get(name) for name in _TIME)
        presets = [
            (capfirst(str(words)), self.without(*_TIME, within=key), key == chosen)
            for key, (words, __) in WITHIN.items()
        ]
        return [*presets, (_("Any time"), self.without(*_TIME), is_any)]

    @cached_property
    def calendar_links(self) -> list[tuple[str, str]]:
        """Months, or the days of the month in the filter."""
        parts = [] if self.calendar.day else self.calendar.parts(self.figures.parts)
        kept = self.without(*_TIME)
        begun = kept if kept == "?" else f"{kept}&"
        return [(part.words, begun + urlencode({"since": part.since, "until": part.until})) for part in parts]

    @property
    def calendar_back(self) -> tuple[str, str] | None:
        """The link from a day to its month, from a month to all months."""
        if self.calendar.day and self.calendar.month:
            return self.calendar.month.words, self._during(self.calendar.month)
        return (_("All months"), self.without("since", "until")) if self.calendar.month else None

    @property
    def calendar_here(self) -> str:
        """The month or day in the filter."""
        part = self.calendar.day or self.calendar.month
        return part.words if part else ""

    def _during(self, part: Part) -> str:
        return self.without(*_TIME, since=part.since, until=part.until)
