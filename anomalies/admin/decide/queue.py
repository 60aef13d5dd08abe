"""The triage queue: one anomaly after another, and the next one after each decision.

The queue is a filter of the list, of what is pending and not snoozed unless it says otherwise; its address is
passed on from page to page. It is ordered by worth (``queries.patterns.worth``), or by time with
``order=time``. Nobody reserves a place in it: what somebody else has decided is passed over.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import json_column
from anomalies.languages import formats
from anomalies.models import Anomaly, Status
from anomalies.queries import keyset
from anomalies.queries.bounded.counts import Count, count, count_read
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.pages import Page, page_after, page_before
from anomalies.queries.bounded.together import Read
from anomalies.queries.bounded.walks import NEWEST_FIRST
from anomalies.queries.filters import FOR_REVIEW, AnomalyFilter, in_words
from anomalies.queries.patterns.worth import neighbour
from anomalies.triage.snooze import wake

from ..ui.formatting import absolute_text, ago, visible
from ..views import LIST, DeskView, time_slice, uuid_of

_END = gettext_lazy("End of the queue; it starts again from the top.")
QUEUE = "admin:anomalies_anomaly_queue"
_ORDER = NEWEST_FIRST.names
BY_TIME = "time"
_LONGEST = 4_000  # characters of a queue's address


class QueueView(DeskView):
    """Redirects to the anomaly after (or before) a place in the queue, or to the first one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Find the anomaly; what is due is woken first."""
        filterset = queue_of(request.GET, request)
        if not filterset.form.is_valid():
            return self.to_list(_("Invalid queue filter; this is the list."), messages.ERROR)
        wake()
        found, edge = _found(request, filterset)
        if found:
            return HttpResponseRedirect(_page_in(filterset, found))
        words = _("Nothing is waiting: %(filter)s.") % {"filter": visible(in_words(filterset), 300)}
        if edge is not None:
            searched = _("Searched as far as %(when)s.") % {"when": absolute_text(edge.timestamp)}
            words = f"{searched} {words}"
        return self.to_list(words, messages.INFO)


def queue_of(asked: QueryDict, request: HttpRequest) -> AnomalyFilter:
    """Return the filter of an address; pending and not snoozed unless it sets these fields."""
    kept = QueryDict(mutable=True)
    for name in AnomalyFilter.base_filters:
        if values := [value for value in asked.getlist(name) if value]:
            kept.setlist(name, values)
    asked_for = AnomalyFilter(kept).data  # by words of the search too
    if "status" not in asked_for:
        kept["status"] = Status.PENDING
    if "snoozed" not in asked_for:
        kept["snoozed"] = "no"
    if asked.get("order") == BY_TIME:
        kept["order"] = BY_TIME
    return AnomalyFilter(kept, queryset=Anomaly.objects.all(), me=request.user.get_username())


def onward(request: HttpRequest, decided: UUID) -> str | None:
    """Return the address that leads to the anomaly after this one; None for a page outside of the queue."""
    query = request.GET.get("queue")
    if query is None or len(query) > _LONGEST:
        return None
    asked = QueryDict(query, mutable=True)
    asked["decided"] = str(decided)
    return f"{reverse(QUEUE)}?{asked.urlencode()}"


def waiting_read(request: HttpRequest) -> Read[Count] | None:
    """Return the read of how many wait in the queue that a page is part of; None outside of one."""
    filterset = _queue_in(request)
    return count_read(listing_of(filterset)) if filterset else None


def bar(request: HttpRequest, anomaly: Any, waiting: Count | None = None) -> dict[str, Any] | None:
    """Return what the page shows of the queue: its filter, how many wait, links; None outside of one.

    ``waiting`` is the count if it is known already.
    """
    filterset = _queue_in(request)
    if filterset is None:
        return None
    listing, is_by_time = listing_of(filterset), _is_by_time(filterset)
    waiting = waiting or count(listing)
    oldest = page_before(listing, _ORDER, "", 1, Anomaly.objects.only("timestamp")).rows
    filters = filterset.given.copy()
    filters.pop("order", None)
    other = filters.urlencode() if is_by_time else f"{filters.urlencode()}&order={BY_TIME}"
    return {
        "words": visible(in_words(filterset), 300),
        "waiting": f"{formats.count(waiting.least)}{'' if waiting.is_exact else '+'}",
        "next": _link(filterset, "after", anomaly),
        "previous": _link(filterset, "before", anomaly),
        "oldest": ago(oldest[0].timestamp) if oldest else "",
        "is_by_time": is_by_time,
        "other_order": f"{reverse(QUEUE)}?{other}",
        "is_for_review": _is_for_review(anomaly.metadata_text),
        "list": f"{reverse(LIST)}?{filters.urlencode()}",
        "here": request.get_full_path(),
        "mine": f"{reverse(QUEUE)}?assigned=me",
    }


def _is_for_review(metadata: str | None) -> bool:
    found = json_column.object_of(metadata)
    return all(found.get(key) is value for key, value in FOR_REVIEW.items())


def _queue_in(request: HttpRequest) -> AnomalyFilter | None:
    """Return the filter of the queue that a page is part of."""
    query = request.GET.get("queue")
    if query is None or len(query) > _LONGEST:
        return None
    filterset = queue_of(QueryDict(query), request)
    return filterset if filterset.form.is_valid() else None


def _is_by_time(filterset: AnomalyFilter) -> bool:
    return bool(filterset.given.get("order") == BY_TIME)


def _found(request: HttpRequest, filterset: AnomalyFilter) -> tuple[UUID | None, Any]:
    """Find the next anomaly in the queue's order; by time if worth ranks none within its bounds.

    Without one, the second value is the anomaly as far as which a time slice allowed to search, if it ended.
    """
    if not _is_by_time(filterset) and (ranked := _found_by_worth(request, filterset)):
        return ranked, None
    found = _found_by_time(request, filterset)
    return (found.rows[0].pk if found.rows else None), found.edge


def _found_by_worth(request: HttpRequest, filterset: AnomalyFilter) -> UUID | None:
    before = uuid_of(request.GET.get("before", ""))
    place = before or uuid_of(request.GET.get("decided", "")) or uuid_of(request.GET.get("after", ""))
    listing, is_backward = listing_of(filterset), before is not None
    found = neighbour(listing, place, is_backward=is_backward)
    if found is None and place:
        found = neighbour(listing, None, is_backward=is_backward)
        if found:
            messages.info(request, _END)
    return found


def _found_by_time(request: HttpRequest, filterset: AnomalyFilter) -> Page:
    """Find the next anomaly from the place asked for; at an end of the queue the first or last one again."""
    before = request.GET.get("before", "")
    place = before or _after(request)
    try:
        found = _next(filterset, place, is_backward=bool(before))
    except keyset.CursorError:
        found, place = Page([]), "?"
    if not found.rows and place and found.edge is None:
        found = _next(filterset, "", is_backward=bool(before))
        if found.rows:
            messages.info(request, _END)
    return found


def _after(request: HttpRequest) -> str:
    """Return the place in the queue after which to look: a cursor, or that of the anomaly just decided."""
    pk = uuid_of(request.GET.get("decided", ""))
    decided = Anomaly.objects.only("timestamp").filter(pk=pk).first() if pk else None
    return keyset.cursor_of(decided, _ORDER) if decided else request.GET.get("after", "")


def _next(filterset: AnomalyFilter, place: str, *, is_backward: bool) -> Page:
    """Return a page of one row; where there is none, ``edge`` is as far as a time slice allowed to search."""
    listing, step, is_over = listing_of(filterset), page_before if is_backward else page_after, time_slice()
    while True:
        found = step(listing, _ORDER, place, 1, Anomaly.objects.only("timestamp"))
        if found.rows or found.edge is None or is_over():
            return found
        place = keyset.cursor_of(found.edge, _ORDER)


def _link(filterset: AnomalyFilter, way: str, anomaly: Anomaly) -> str:
    asked = filterset.given.copy()
    asked[way] = keyset.cursor_of(anomaly, _ORDER) if _is_by_time(filterset) else str(anomaly.pk)
    return f"{reverse(QUEUE)}?{asked.urlencode()}"


def _page_in(filterset: AnomalyFilter, key: UUID) -> str:
    page = reverse("admin:anomalies_anomaly_change", args=[key])
    return f"{page}?{urlencode({'queue': filterset.given.urlencode()})}"
