"""The pages of the list of anomalies: by keyset in both directions, an episode a line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_list import ResultList, result_headers
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, QueryDict
from django.utils.http import urlencode

from anomalies.queries import keyset
from anomalies.queries.facets import COUNTED
from anomalies.queries.incidents import Episode, episodes, first_rows, last_rows, mark_cut

from .incident_rows import EpisodeLine
from .rows import Lines, Links

# Where one is in the list: goes with every other filter or order.
PLACE = ("after", "before", "end", "p", "all")


class Pages(ChangeList):
    """A changelist whose page begins after a row, and costs the same wherever that is.

    ``page`` holds the anomalies, ``lines`` what is shown of them: an anomaly or an episode each.
    """

    ordering: list[str]
    page: keyset.Page
    lines: list[Any]

    @property
    def shows_episodes(self) -> bool:
        """Whether anomalies that belong together are one line: in order of time, unless told otherwise."""
        return self.is_in_order_of_time and not {"single", "p", "all"} & set(self.all_params)

    @property
    def is_in_order_of_time(self) -> bool:
        """Whether episodes could be told."""
        return self.ordering[0].lstrip("-") == "timestamp"

    def _read_page(self, request: HttpRequest) -> None:
        self.all_params = request.GET
        if self.shows_episodes:
            self._read_episodes(request)
        else:
            self.page = self._rows(request)
            self.lines = self.page.rows

    def _rows(self, request: HttpRequest) -> keyset.Page:
        """As many anomalies as a page has, from where the URL says."""
        size = self.list_per_page
        if self.show_all and self.can_show_all:
            return keyset.page_after(self.queryset, self.ordering, "", self.list_max_show_all)
        if self.page_num != 1:
            return self._page_by_number(size)
        return self._page_by_cursor(request, size)

    def _page_by_number(self, size: int) -> keyset.Page:
        """As Django's links have it, no further than is counted."""
        start = (self.page_num - 1) * size
        if not 0 <= start < min(self.result_count, COUNTED):
            raise IncorrectLookupParameters
        rows = list(self.queryset[start : start + size + 1])
        return keyset.Page(rows[:size], start > 0, len(rows) > size)

    def _page_by_cursor(self, request: HttpRequest, size: int) -> keyset.Page:
        if self._goes_backward(request):
            return keyset.page_before(self.queryset, self.ordering, request.GET.get("before", ""), size)
        return keyset.page_after(self.queryset, self.ordering, request.GET.get("after", ""), size)

    def _goes_backward(self, request: HttpRequest) -> bool:
        return "before" in request.GET or "end" in request.GET

    def _read_episodes(self, request: HttpRequest) -> None:
        """Lines enough for a page out of as many anomalies as one may hold.

        Where a filter passes over hundreds of rows for each that it finds, reading is most of what a page
        costs: first no more is read than fills it if each anomaly is an episode of its own.
        """
        gap = timedelta(seconds=settings.EPISODE_GAP)
        size = self.list_per_page + 1
        read = self._page_by_cursor(request, size)
        start, end = self._of_the_page(request, read, gap)
        if not self._is_ended(request, read, start, end, gap):
            # A page's rows more than a page can hold: they tell whether its last episode goes on.
            read = self._read_on(request, read, self.list_max_show_all + self.list_per_page - size)
            start, end = self._of_the_page(request, read, gap)
        rows = read.rows[start:end]
        self.page = keyset.Page(rows, read.has_previous or start > 0, read.has_next or end < len(read.rows))
        found = episodes(rows, gap)
        before, after = self._beside(read.rows[:start], read.rows[end:])
        mark_cut(found, before, after, gap)
        self.lines = [self._line(episode) for episode in found]

    def _is_ended(
        self, request: HttpRequest, read: keyset.Page, start: int, end: int, gap: timedelta
    ) -> bool:
        """Whether these rows fill the page and hold all that its episodes could go on with."""
        if self._goes_backward(request):
            edge, farthest, is_last = start, 0, not read.has_previous
        else:
            edge, farthest, is_last = end - 1, len(read.rows) - 1, not read.has_next
        return is_last or abs(read.rows[edge].timestamp - read.rows[farthest].timestamp) > gap

    def _read_on(self, request: HttpRequest, read: keyset.Page, size: int) -> keyset.Page:
        """The rows that were read and, the same way on, so many more."""
        if self._goes_backward(request):
            place = keyset.cursor_of(read.rows[0], self.ordering)
            more = keyset.page_before(self.queryset, self.ordering, place, size)
            return keyset.Page(more.rows + read.rows, more.has_previous, read.has_next)
        place = keyset.cursor_of(read.rows[-1], self.ordering)
        more = keyset.page_after(self.queryset, self.ordering, place, size)
        return keyset.Page(read.rows + more.rows, read.has_previous, more.has_next)

    def _of_the_page(self, request: HttpRequest, read: keyset.Page, gap: timedelta) -> tuple[int, int]:
        """From where to where of these rows a page of episodes goes."""
        if self._goes_backward(request):
            rows = last_rows(read.rows[-self.list_max_show_all :], gap, self.list_per_page)
            return len(read.rows) - len(rows), len(read.rows)
        rows = first_rows(read.rows[: self.list_max_show_all], gap, self.list_per_page)
        return 0, len(rows)

    def _beside(self, before: list[Any], after: list[Any]) -> tuple[list[Any], list[Any]]:
        """Rows next to the page, read where there are none at hand."""
        rows = self.page.rows
        if self.page.has_previous and not before:
            place = keyset.cursor_of(rows[0], self.ordering)
            before = keyset.page_before(self.queryset, self.ordering, place, self.list_per_page).rows
        if self.page.has_next and not after:
            place = keyset.cursor_of(rows[-1], self.ordering)
            after = keyset.page_after(self.queryset, self.ordering, place, self.list_per_page).rows
        return before, after

    def _line(self, episode: Episode) -> Any:
        alone = len(episode.members) == 1 and not (episode.begins_earlier or episode.goes_on)
        return episode.members[0] if alone else EpisodeLine(episode, self._links.to)

    @cached_property
    def _links(self) -> Links:
        return Links(self)

    def draw(self) -> None:
        """Draw the lines now and not when the template asks for them: the database is not asked for it."""
        self.results  # noqa: B018 - it is kept

    @cached_property
    def results(self) -> list[ResultList]:
        """The lines as Django's template draws them: the cells of each at once."""
        lines = Lines(self, self._links)
        return [ResultList(None, [lines.draw(line)]) for line in self.lines]

    @property
    def headers(self) -> list[dict[str, Any]]:
        """The columns' heads as Django's template draws them."""
        return list(result_headers(self))

    def get_query_string(
        self, new_params: dict[str, Any] | None = None, remove: Iterable[str] | None = None
    ) -> str:
        """What the list is asked for, some of it otherwise: from its first page.

        Django's own removes whatever begins with a name, and so ``p_min`` along with ``p``.
        """
        kept: dict[str, Any] = {**self.filter_params, **(new_params or {})}
        left_out = {*PLACE, *(remove or ())} - set(new_params or ())
        told = {name: value for name, value in kept.items() if name not in left_out and value is not None}
        return f"?{urlencode(sorted(told.items()), doseq=True)}"

    @property
    def places(self) -> list[tuple[str, str]]:
        """The ways through the list: words and link, '' where there is no further."""
        page, rows = self.page, self.page.rows
        first, last = ("", "") if not rows else (self._cursor(rows[0]), self._cursor(rows[-1]))
        return [
            ("First", self.get_query_string() if page.has_previous else ""),
            ("Previous", self._place("before", first) if page.has_previous else ""),
            ("Next", self._place("after", last) if page.has_next else ""),
            ("Last", self._place("end", "1") if page.has_next else ""),
        ]

    def _cursor(self, row: Any) -> str:
        return keyset.cursor_of(row, self.ordering)

    def _place(self, name: str, value: str) -> str:
        kept = QueryDict(self.get_query_string()[1:], mutable=True)
        kept[name] = value
        return f"?{kept.urlencode()}"

    @property
    def single_qs(self) -> str:
        """The same list with a line for each anomaly."""
        return self.get_query_string({"single": 1})

    @property
    def episodes_qs(self) -> str:
        """The same list with a line for each episode."""
        return self.get_query_string(remove=["single"])
