"""The list of anomalies: filtered by the FilterSet, paged by keyset, counted up to a cap."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from anomalies.queries import facets, keyset, stats
from anomalies.queries.facets import Counted
from anomalies.queries.filters import AnomalyFilter, bounds, counted_of, keeps_runs_whole
from anomalies.querysets import AnomalyQuerySet

from .date_drilldown import calendar_of
from .filter_panel import Sidebar
from .pagination import PLACE, Pages

COUNTED = facets.COUNTED
# What Django's own changelist understands in a URL, beside the filters; and ours.
_FRAME = {"o", "e", "_popup", "_to_field", "_facets", "single", *PLACE}
# Of these it is told how many there would be of each.
_FACETS = ("status", "stream")
# Columns that an index holds together with a second one: the order of rows that are equal in the first.
_TIES = {
    "timestamp": ("-timestamp", "-id"),
    "status": ("status", "-timestamp", "-id"),
    "stream_type": ("stream_type", "-timestamp", "-id"),
    "ncd_score": ("-ncd_score", "-id"),
    "p_value": ("p_value", "id"),
}


class OnlyItsFilters(admin.ModelAdmin):
    """A list is narrowed by its ``list_filter`` and nothing else.

    Django takes any lookup on any column from the URL: regular expressions, ranges, months of ten million
    rows. What is not offered answers 400.
    """

    _SUFFIXES: ClassVar = {"", "exact", "isnull", "id__exact"}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Whether a link of the list's own filter looks like this."""
        field, _, suffix = lookup.partition("__")
        names = {getattr(each, "parameter_name", each) for each in self.list_filter}
        return field in names and suffix in self._SUFFIXES


class CappedPaginator(Paginator):
    """Counts no further than COUNTED rows: to count ten million takes longer than to read a page of them."""

    @cached_property
    def count(self) -> int:
        """The number of rows, COUNTED + 1 where there are more."""
        rows: QuerySet = self.object_list  # type: ignore[assignment]
        return rows.order_by().values("pk")[: COUNTED + 1].count()

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.count > COUNTED


class AnomalyChangeList(Sidebar, Pages):
    """Django's changelist with AnomalyFilter in place of ``list_filter``, and keysets in place of offsets."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> AnomalyQuerySet:
        """The anomalies asked for; none where the URL asks for something that is not understood."""
        self.filterset = AnomalyFilter(
            request.GET, queryset=self.root_queryset, me=request.user.get_username()
        )
        self.filter_specs: list[Any] = []
        for name in PLACE:
            self.filter_params.pop(name, None)
        self.has_filters = True
        self.has_active_filters = any(name in request.GET for name in self.filterset.filters)
        self.clear_all_filters_qs = self._without_filters(request)
        queryset = self.filterset.qs
        unknown = set(request.GET) - set(self.filterset.filters) - _FRAME
        if unknown:
            queryset = queryset.none()
        if request.method == "GET":  # an action asks for the same rows again
            self._say_what_is_not_understood(request, unknown)
        self.ordering = self.get_ordering(request, queryset)
        return queryset.order_by(*self.ordering)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The columns that were chosen; equal rows in the order that an index has them in."""
        chosen = [str(name) for name in super().get_ordering(request, queryset)]
        first = chosen[0].lstrip("-")
        if first not in _TIES or (len(chosen) > 1 and chosen[1].lstrip("-") not in ("pk", "id")):
            return [name.replace("pk", "id") for name in chosen]
        ties = list(_TIES[first])
        return ties if ties[0] == chosen[0] else keyset.reverse(ties)

    def get_results(self, request: HttpRequest) -> None:
        """The page, and what stands in its margins: those are counted while the lines are drawn."""
        self.calendar = calendar_of(self.filterset.form)
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = True
        by_number = self.show_all or self.page_num != 1  # of which a page beyond the count is none
        if not by_number:
            self._try_to_read_page(request)
        unfaceted, selection = self._unfaceted(request)
        chosen = counted_of(self.filterset)
        with facets.counting(self.queryset, unfaceted, self.calendar.steps, selection, chosen) as counted:
            if not by_number and request.method == "GET":
                self.draw()
            self.margins = counted()
        self.result_count = self.margins.count
        self.can_show_all = self.result_count <= self.list_max_show_all
        if by_number:
            self._try_to_read_page(request)
        self.result_list = self.page.rows
        self.multi_page = self.page.has_previous or self.page.has_next

    def _try_to_read_page(self, request: HttpRequest) -> None:
        try:
            self._read_page(request)
        except keyset.CursorError as error:
            messages.error(request, f"There is no such place in the list ({error}); nothing is shown.")
            self.page = keyset.Page([], False, False)
            self.lines = []

    @property
    def chance(self) -> str:
        """How much of what is shown chance explains, where that is known: in windows, which were tested."""
        newest = self.margins.newest_run
        if newest is None or not keeps_runs_whole(self.filterset):
            return ""
        cleaned = self.filterset.form.cleaned_data
        found = stats.chance_of(cleaned.get("stream") or (), stats.Span(*bounds(cleaned)), newest)
        if found is None:
            return ""
        return (
            f"Detectors flagged {found.flagged:,} of {found.tested:,} windows here; "
            f"up to {found.expected:,.0f} are expected by chance."
        )

    def _unfaceted(self, request: HttpRequest) -> tuple[QuerySet[Any], Counted | None]:
        """The same list of any status and stream, and the same as a roll-up knows it."""
        if self.queryset.query.is_empty():
            return self.queryset, None
        if not set(_FACETS) & set(request.GET):
            return self.queryset, counted_of(self.filterset)
        return self.filterset.without(*_FACETS), counted_of(self.filterset, _FACETS)

    def _say_what_is_not_understood(self, request: HttpRequest, unknown: set[str]) -> None:
        if unknown:
            messages.error(request, f"There is no filter {', '.join(sorted(unknown))}; nothing is shown.")
        form = self.filterset.form
        if form.errors:
            labels = ", ".join(str(form[name].label) for name in form.errors)
            messages.error(request, f"The filter is not understood ({labels}); nothing is shown.")

    def _without_filters(self, request: HttpRequest) -> str:
        kept = request.GET.copy()
        for name in set(kept) - _FRAME | set(PLACE):
            kept.pop(name, None)
        return f"?{kept.urlencode()}"

    @property
    def exported_qs(self) -> str:
        """The filters alone, for the export of what is shown."""
        filters = self.get_query_string(remove=list(_FRAME))
        return "" if filters == "?" else filters

    @property
    def is_capped(self) -> bool:
        """Whether ``result_count`` is a cap and not a count."""
        return self.result_count > COUNTED
