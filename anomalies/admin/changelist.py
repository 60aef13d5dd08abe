"""The list of anomalies: filtered by the FilterSet, counted up to a cap."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from ..filters import AnomalyFilter
from ..querysets import AnomalyQuerySet

COUNTED = 10_000
# What Django's own changelist understands in a URL, beside the filters.
_FRAME = {"o", "p", "e", "all", "_popup", "_to_field", "_facets"}


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


class AnomalyChangeList(ChangeList):
    """Django's changelist with AnomalyFilter in place of ``list_filter``."""

    filterset: AnomalyFilter

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> AnomalyQuerySet:
        """The anomalies asked for; none where the URL asks for something that is not understood."""
        self.filterset = AnomalyFilter(request.GET, queryset=self.root_queryset)
        self.filter_specs: list[Any] = []
        self.has_filters = True
        self.has_active_filters = any(name in request.GET for name in self.filterset.filters)
        self.clear_all_filters_qs = self._without_filters(request)
        queryset = self.filterset.qs
        unknown = set(request.GET) - set(self.filterset.filters) - _FRAME
        if unknown:
            queryset = queryset.none()
        if request.method == "GET":  # an action asks for the same rows again
            self._say_what_is_not_understood(request, unknown)
        return queryset.order_by(*self.get_ordering(request, queryset))

    def _say_what_is_not_understood(self, request: HttpRequest, unknown: set[str]) -> None:
        if unknown:
            messages.error(request, f"There is no filter {', '.join(sorted(unknown))}; nothing is shown.")
        form = self.filterset.form
        if form.errors:
            labels = ", ".join(str(form[name].label) for name in form.errors)
            messages.error(request, f"The filter is not understood ({labels}); nothing is shown.")

    def _without_filters(self, request: HttpRequest) -> str:
        kept = request.GET.copy()
        for name in set(kept) - _FRAME | {"p"}:
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
