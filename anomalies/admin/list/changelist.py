"""The list of anomalies: filtered by the FilterSet, paged by keyset, counted up to a cap."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import Any, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from anomalies.languages import formats
from anomalies.queries import facets, keyset, stats
from anomalies.queries.bounded.counts import COUNTED
from anomalies.queries.bounded.filter_listing import counted_of, listing_of
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.bounded.pages import Page
from anomalies.queries.facets import Counted
from anomalies.queries.filters import FACETS, AnomalyFilter, bounds, keeps_runs_whole
from anomalies.querysets import AnomalyQuerySet

from ..model_admin import AnyPaginator
from ..ui.formatting import capped, visible
from . import column_choice
from .date_drilldown import calendar_of
from .filter_panel import Sidebar
from .pagination import PLACE, Pages
from .saved_filters import preferences

# The parameters in a URL beside the filters: those of Django's own changelist, and ours.
_FRAME = {"o", "e", "_popup", "_to_field", "_facets", "single", *PLACE}
# Columns that an index holds with a second one, which orders rows that are equal in the first.
_TIES = {
    "timestamp": ("-timestamp", "-id"),
    "status": ("status", "-timestamp", "-id"),
    "stream_type": ("stream_type", "-timestamp", "-id"),
    "ncd_score": ("-ncd_score", "-id"),
    "p_value": ("p_value", "id"),
}


class CappedPaginator(AnyPaginator):
    """Counts at most COUNTED rows: to count ten million takes longer than to read a page of them."""

    @cached_property
    def count(self) -> int:
        """The number of rows, COUNTED + 1 where there are more."""
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[: COUNTED + 1].count()

    @property
    def count_in_words(self) -> str:
        """The number of rows: "9,924", or "10,000+" where there are more."""
        return capped(self.count, COUNTED)


class AnomalyChangeList(Sidebar, Pages):
    """Django's changelist with AnomalyFilter in place of ``list_filter``, and keysets in place of offsets."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> AnomalyQuerySet:
        """Return the anomalies that match the URL; none for an invalid value or an unknown parameter."""
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
        self.listing = listing_of(self.filterset)
        unknown = set(request.GET) - set(self.filterset.filters) - _FRAME
        if unknown:
            queryset = queryset.none()
            self.listing = Listing(queryset)
        if request.method == "GET":  # an action asks for the same rows again
            self._report_invalid(request, unknown)
        self.ordering = self.get_ordering(request, queryset)
        return queryset.order_by(*self.ordering)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the columns to sort by: the one chosen first, then those by which an index orders its ties.

        An order by several chosen columns would have to be sorted, which takes longer the more rows are
        equal in the first.
        """
        chosen = str(super().get_ordering(request, queryset)[0])
        ties = list(_TIES.get(chosen.lstrip("-"), _TIES["timestamp"]))
        return keyset.reverse(ties) if chosen == keyset.reverse(ties)[0] else ties

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Return the number of the column that the list is sorted by, and its direction."""
        return dict(islice(super().get_ordering_field_columns().items(), 1))

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the figures beside it while its rows are rendered."""
        self.kept = preferences(request)
        self.shown_columns = column_choice.shown(self.kept.columns)
        self.calendar = calendar_of(self.filterset.form)
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = True
        by_number = self.show_all or self.page_num != 1  # of which a page beyond the count is none
        if not by_number:
            self._try_to_read_page(request)
        unfaceted, selection = self._unfaceted()
        beside = (self.listing, unfaceted, self.calendar.steps, selection)
        read = Page([]) if by_number else self.page
        with facets.figures(
            *beside,
            is_frequent=read.is_walked,
            pairs=read.pairs if unfaceted is self.listing else None,
            is_least=read.is_least,
            with_values=self.add_facets,
        ) as figures:
            if not by_number and request.method == "GET":
                self.render_rows()
            self.figures = figures()
        self.result_count = self.figures.count
        self.can_show_all = self.result_count <= self.list_max_show_all and not self.figures.is_least
        if by_number:
            self._try_to_read_page(request)
        self.result_list = self.page.rows
        self.multi_page = self.page.has_previous or self.page.has_next

    def _try_to_read_page(self, request: HttpRequest) -> None:
        try:
            self._read_page(request)
        except keyset.CursorError as error:
            words = _("Invalid position in the list (%(error)s); nothing is shown.") % {"error": error}
            messages.error(request, words)
            self.page = Page([])
            self.rows = []

    @property
    def chance(self) -> str:
        """A sentence with the windows flagged and expected by chance; '' if that is unknown."""
        newest = self.figures.newest_run
        if newest is None or not keeps_runs_whole(self.filterset):
            return ""
        cleaned = self.filterset.form.cleaned_data
        found = stats.chance_of(cleaned.get("stream") or (), stats.Span(*bounds(cleaned)), newest)
        if found is None:
            return ""
        words = _(
            "Detectors flagged %(flagged)s of %(tested)s windows here; "
            "up to %(expected)s are expected by chance."
        )
        counts = {"flagged": found.flagged, "tested": found.tested, "expected": found.expected}
        return words % {name: formats.count(number) for name, number in counts.items()}

    def _unfaceted(self) -> tuple[Listing, Counted | None]:
        """Return the list without its status and stream filters, and the same as a roll-up can count it."""
        if self.listing.is_nothing:
            return self.listing, None
        if not set(FACETS) & set(self.filterset.data):
            return self.listing, counted_of(self.filterset)
        return listing_of(self.filterset, FACETS), counted_of(self.filterset, FACETS)

    def _report_invalid(self, request: HttpRequest, unknown: set[str]) -> None:
        if unknown:
            names = ", ".join(sorted(unknown))
            messages.error(request, _("Unknown filter: %(names)s. Nothing is shown.") % {"names": names})
        form = self.filterset.form
        if form.errors:
            labels = ", ".join(str(form[name].label) for name in form.errors)
            messages.error(
                request, _("Invalid filter values: %(names)s. Nothing is shown.") % {"names": labels}
            )
            for name, problem in form.problems.items():
                messages.error(request, visible(f"{form[name].label}: {problem}", 500))
        for hint in self.filterset.expansion.hints:
            messages.warning(request, visible(hint, 500))

    def _without_filters(self, request: HttpRequest) -> str:
        kept = request.GET.copy()
        for name in set(kept) - _FRAME | set(PLACE):
            kept.pop(name, None)
        return f"?{kept.urlencode()}"

    @property
    def exported_qs(self) -> str:
        """The query of the filters alone, for the export and the queue."""
        filters = self.get_query_string(remove=list(_FRAME))
        return "" if filters == "?" else filters

    @property
    def is_capped(self) -> bool:
        """True if there are, or may be, more rows than ``result_count``."""
        return self.figures.is_least

    @property
    def count_in_words(self) -> str:
        """The number of rows: "9,924", or "10,000+" where there are, or may be, more."""
        least = max(self.result_count, len(self.page.rows) + self.page.has_next)
        return f"{formats.count(least)}+" if self.figures.is_least else formats.count(self.result_count)
