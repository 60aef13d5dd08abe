"""The pages of the list of anomalies: by keyset in both directions, anomalies grouped into incidents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_list import ResultList, result_headers
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, QueryDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from anomalies.queries import keyset
from anomalies.queries.bounded import counts
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.bounded.pages import Page, page_after, page_before
from anomalies.queries.incidents import Episode, episodes, first_rows, last_rows, mark_cut

from ..ui import formatting as show
from .column_choice import MEANINGS, name_of
from .incident_rows import IncidentRow
from .rows import CHECKBOX, Links, Rows

# The place in the list; another filter or order starts from the first page.
_JUST_AFTER = timedelta(microseconds=1)  # the end of a range of times is excluded
PLACE = ("after", "before", "end", "p", "all")


class Pages(ChangeList):
    """A changelist whose page begins after a row, so that it costs the same wherever that is.

    ``page`` holds the anomalies, ``rows`` what is shown of them: an anomaly or an incident each.
    """

    ordering: list[str]
    listing: Listing
    page: Page
    rows: list[Any]
    shown_columns: frozenset[str]

    @property
    def is_grouped(self) -> bool:
        """True if an incident is one row: in order of time, unless single rows are chosen."""
        return self.is_in_order_of_time and not {"single", "p", "all"} & set(self.all_params)

    @property
    def is_in_order_of_time(self) -> bool:
        """True if the anomalies can be grouped into incidents."""
        return self.ordering[0].lstrip("-") == "timestamp"

    def _read_page(self, request: HttpRequest) -> None:
        self.all_params = request.GET
        if self.is_grouped:
            self._read_incidents(request)
        else:
            self.page = self._rows(request)
            self.rows = self.page.rows

    def _rows(self, request: HttpRequest) -> Page:
        """Return a page of anomalies from the place in the URL."""
        size = self.list_per_page
        if self.show_all and self.can_show_all:
            return self._after("", self.list_max_show_all)
        if self.page_num != 1:
            return self._page_by_number(size)
        return self._page_by_cursor(request, size)

    def _page_by_number(self, size: int) -> Page:
        """Return a page by its number, as Django's links have it, no further than rows are counted."""
        start = (self.page_num - 1) * size
        if not 0 <= start < min(self.result_count, counts.COUNTED):
            raise IncorrectLookupParameters
        return page_after(self.listing, self.ordering, "", size, self.root_queryset, skipped=start)

    def _after(self, cursor: str, size: int) -> Page:
        return page_after(self.listing, self.ordering, cursor, size, self.root_queryset)

    def _before(self, cursor: str, size: int) -> Page:
        return page_before(self.listing, self.ordering, cursor, size, self.root_queryset)

    def _page_by_cursor(self, request: HttpRequest, size: int) -> Page:
        if self.is_read_backward:
            return self._before(request.GET.get("before", ""), size)
        return self._after(request.GET.get("after", ""), size)

    def _read_incidents(self, request: HttpRequest) -> None:
        """Read as many anomalies as fill a page of incidents.

        Where a filter skips hundreds of rows for each that it finds, reading is most of a page's cost: first
        no more is read than fills the page if each anomaly is an incident of its own.
        """
        gap = timedelta(seconds=settings.EPISODE_GAP)
        size = self.list_per_page + 1
        read = self._page_by_cursor(request, size)
        start, end = self._of_the_page(read, gap)
        if not self._is_ended(read, start, end, gap):
            # One page more than a page can hold: it shows whether the last incident continues.
            is_full = end - start < len(read.rows)
            read = self._read_on(
                read, self.list_max_show_all + self.list_per_page - size, gap if is_full else None
            )
            start, end = self._of_the_page(read, gap)
        rows = read.rows[start:end]
        edge = read.edge if len(rows) == len(read.rows) else None
        has_previous, has_next = read.has_previous or start > 0, read.has_next or end < len(read.rows)
        self.page = replace(read, rows=rows, has_previous=has_previous, has_next=has_next, edge=edge)
        found = episodes(rows, gap)
        before, after = self._beside(read.rows[:start], read.rows[end:])
        mark_cut(found, before, after, gap)
        self.rows = [self._row(incident) for incident in found]

    def _is_ended(self, read: Page, start: int, end: int, gap: timedelta) -> bool:
        """Return whether these rows fill the page and hold all that its incidents could continue with."""
        if read.edge is not None:
            return True
        if self.is_read_backward:
            edge, farthest, is_last = start, 0, not read.has_previous
        else:
            edge, farthest, is_last = end - 1, len(read.rows) - 1, not read.has_next
        return is_last or abs(read.rows[edge].timestamp - read.rows[farthest].timestamp) > gap

    def _read_on(self, read: Page, size: int, gap: timedelta | None) -> Page:
        """Return the rows that were read and up to ``size`` more in the same direction.

        Of a full page only those are needed that lie at most ``gap`` from its last row: these an incident of
        the page may continue with.
        """
        if self.is_read_backward:
            first = read.rows[0]
            more = page_before(
                self._near(first, gap), self.ordering, self._cursor(first), size, self.root_queryset
            )
            return replace(read, rows=more.rows + read.rows, has_previous=more.has_previous, edge=more.edge)
        last = read.rows[-1]
        more = page_after(self._near(last, gap), self.ordering, self._cursor(last), size, self.root_queryset)
        return replace(read, rows=read.rows + more.rows, has_next=more.has_next, edge=more.edge)

    def _near(self, row: Any, gap: timedelta | None) -> Listing:
        """The list, or its part that lies at most ``gap`` from a row."""
        if gap is None:
            return self.listing
        return self.listing.within_time(row.timestamp - gap, row.timestamp + gap + _JUST_AFTER)

    def _of_the_page(self, read: Page, gap: timedelta) -> tuple[int, int]:
        """Return the first and last index of these rows that a page of incidents covers."""
        if self.is_read_backward:
            rows = last_rows(read.rows[-self.list_max_show_all :], gap, self.list_per_page)
            return len(read.rows) - len(rows), len(read.rows)
        rows = first_rows(read.rows[: self.list_max_show_all], gap, self.list_per_page)
        return 0, len(rows)

    def _beside(self, before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return the rows before and after the page, reading them where they were not read yet.

        There are none where the search for more rows stopped.
        """
        page, rows, back = self.page, self.page.rows, self.is_read_backward
        if rows and page.has_previous and not before and not (page.edge and back):
            before = self._before(self._cursor(rows[0]), self.list_per_page).rows
        if rows and page.has_next and not after and not (page.edge and not back):
            after = self._after(self._cursor(rows[-1]), self.list_per_page).rows
        return before, after

    def _row(self, incident: Episode) -> Any:
        alone = len(incident.members) == 1 and not (incident.begins_earlier or incident.goes_on)
        return incident.members[0] if alone else IncidentRow(incident, self._links.to)

    @cached_property
    def _links(self) -> Links:
        return Links(self)

    def render_rows(self) -> None:
        """Render the rows now and not in the template: it needs no query, so the counts can run beside it."""
        self.results  # noqa: B018 - a cached property

    @cached_property
    def results(self) -> list[ResultList]:
        """The rows for Django's template, the cells of each in one piece."""
        rows = Rows(self, self._links)
        return [ResultList(None, [rows.render(row)]) for row in self.rows]

    @property
    def headers(self) -> list[dict[str, Any]]:
        """The columns' headers for Django's template."""
        named = zip(map(name_of, self.list_display), result_headers(self), strict=True)
        return [
            {**header, "name": name, "meaning": MEANINGS.get(name, "")}
            for name, header in named
            if name == CHECKBOX or name in self.shown_columns
        ]

    def get_query_string(
        self, new_params: dict[str, Any] | None = None, remove: Iterable[str] | None = None
    ) -> str:
        """Return the list's query with some parameters changed, from the first page.

        Django's own removes every parameter that begins with a name, and so ``p_min`` along with ``p``.
        """
        kept: dict[str, Any] = {**self.filter_params, **(new_params or {})}
        left_out = {*PLACE, *(remove or ())} - set(new_params or ())
        said = {name: value for name, value in kept.items() if name not in left_out and value is not None}
        return f"?{urlencode(sorted(said.items()), doseq=True)}"

    @property
    def places(self) -> list[tuple[str, str]]:
        """The links of the pagination: label and address, '' where there is no such page."""
        page, back = self.page, self.is_read_backward
        first, last = (page.rows[0], page.rows[-1]) if page.rows else (page.edge, page.edge)
        first, last = (page.edge or first, last) if back else (first, page.edge or last)
        before = self._place("before", self._cursor(first)) if page.has_previous and first else ""
        return [
            (_("First"), self.get_query_string() if page.has_previous else ""),
            (_("Previous"), before),
            (_("Next"), self._place("after", self._cursor(last)) if page.has_next and last else ""),
            (_("Last"), self._place("end", "1") if page.has_next else ""),
        ]

    @property
    def searched_to(self) -> str:
        """The position at which a search stopped before the end of the list, or ''."""
        edge = self.page.edge
        if edge is None:
            return ""
        column = self.ordering[-2].lstrip("-")
        if column == "timestamp":
            return show.absolute(edge.timestamp)
        return f"{'NCD' if column == 'ncd_score' else 'p'} {show.short(getattr(edge, column))}"

    @property
    def search_on_qs(self) -> str:
        """The query of the list from where the search stopped."""
        return self._place("before" if self.is_read_backward else "after", self._cursor(self.page.edge))

    @property
    def is_read_backward(self) -> bool:
        """True if the page is read from its end."""
        return bool({"before", "end"} & set(self.all_params))

    def _cursor(self, row: Any) -> str:
        return keyset.cursor_of(row, self.ordering)

    def _place(self, name: str, value: str) -> str:
        kept = QueryDict(self.get_query_string()[1:], mutable=True)
        kept[name] = value
        return f"?{kept.urlencode()}"

    @property
    def single_qs(self) -> str:
        """The query of the same list with a row for each anomaly."""
        return self.get_query_string({"single": 1})

    @property
    def grouped_qs(self) -> str:
        """The query of the same list with a row for each incident."""
        return self.get_query_string(remove=["single"])
