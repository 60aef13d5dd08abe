"""The triage queue: one anomaly after another, and the next one after each decision.

The queue is a filter of the list, of what is pending and not snoozed unless it says otherwise; its address is
passed on from page to page. Nobody reserves a place in it: what somebody else has decided is passed over.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from anomalies.models import Anomaly, Status
from anomalies.queries import keyset
from anomalies.queries.facets import COUNTED
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.snooze import wake

from ..ui.formatting import visible
from ..views import LIST, DeskView, uuid_of

QUEUE = "admin:anomalies_anomaly_queue"
_ORDER = ("-timestamp", "-id")
_LONGEST = 4_000  # characters of a queue's address


class QueueView(DeskView):
    """Redirects to the anomaly after (or before) a place in the queue, or to the first one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Find the anomaly; what is due is woken first."""
        filterset = queue_of(request.GET, request)
        if not filterset.form.is_valid():
            return self.to_list("Invalid queue filter; this is the list.", messages.ERROR)
        wake()
        found = _found(request, filterset)
        if found is None:
            words = f"Nothing is waiting: {visible(in_words(filterset), 300)}."
            return self.to_list(words, messages.INFO)
        return HttpResponseRedirect(_page_in(filterset, found))


def queue_of(asked: QueryDict, request: HttpRequest) -> AnomalyFilter:
    """Return the filter that an address asks for; pending and not snoozed unless it says otherwise."""
    kept = QueryDict(mutable=True)
    for name in AnomalyFilter.base_filters:
        if values := [value for value in asked.getlist(name) if value]:
            kept.setlist(name, values)
    if "status" not in kept:
        kept["status"] = Status.PENDING
    if "snoozed" not in kept:
        kept["snoozed"] = "no"
    return AnomalyFilter(kept, queryset=Anomaly.objects.all(), me=request.user.get_username())


def onward(request: HttpRequest, decided: UUID) -> str | None:
    """Return the address that leads to the anomaly after this one; None for a page outside of the queue."""
    query = request.GET.get("queue")
    if query is None or len(query) > _LONGEST:
        return None
    asked = QueryDict(query, mutable=True)
    asked["decided"] = str(decided)
    return f"{reverse(QUEUE)}?{asked.urlencode()}"


def bar(request: HttpRequest, anomaly: Anomaly) -> dict[str, Any] | None:
    """Return what the page shows of the queue: its filter, how many wait, links; None outside of one."""
    filterset = _queue_in(request)
    if filterset is None:
        return None
    waiting = _rows(filterset).values("pk")[: COUNTED + 1].count()
    return {
        "words": visible(in_words(filterset), 300),
        "waiting": f"{COUNTED:,}+" if waiting > COUNTED else f"{waiting:,}",
        "next": _link(filterset, "after", anomaly),
        "previous": _link(filterset, "before", anomaly),
        "list": f"{reverse(LIST)}?{filterset.data.urlencode()}",
        "here": request.get_full_path(),
        "mine": f"{reverse(QUEUE)}?assigned=me",
    }


def _queue_in(request: HttpRequest) -> AnomalyFilter | None:
    """Return the filter of the queue that a page is part of."""
    query = request.GET.get("queue")
    if query is None or len(query) > _LONGEST:
        return None
    filterset = queue_of(QueryDict(query), request)
    return filterset if filterset.form.is_valid() else None


def _found(request: HttpRequest, filterset: AnomalyFilter) -> Anomaly | None:
    """Find the next anomaly from the place asked for; at an end of the queue the first or last one again."""
    place, before = _after(request), request.GET.get("before", "")
    step, place = (keyset.page_before, before) if before else (keyset.page_after, place)
    try:
        found = step(_rows(filterset), _ORDER, place, 1).rows
    except keyset.CursorError:
        found, place = [], "?"
    if not found and place:
        found = step(_rows(filterset), _ORDER, "", 1).rows
        if found:
            messages.info(request, "End of the queue; it starts again from the top.")
    return found[0] if found else None


def _after(request: HttpRequest) -> str:
    """Return the place in the queue after which to look: a cursor, or that of the anomaly just decided."""
    pk = uuid_of(request.GET.get("decided", ""))
    decided = Anomaly.objects.only("timestamp").filter(pk=pk).first() if pk else None
    return keyset.cursor_of(decided, _ORDER) if decided else request.GET.get("after", "")


def _rows(filterset: AnomalyFilter) -> AnomalyQuerySet:
    rows: AnomalyQuerySet = filterset.qs.only("timestamp")
    return rows


def _link(filterset: AnomalyFilter, way: str, anomaly: Anomaly) -> str:
    asked = filterset.data.copy()
    asked[way] = keyset.cursor_of(anomaly, _ORDER)
    return f"{reverse(QUEUE)}?{asked.urlencode()}"


def _page_in(filterset: AnomalyFilter, anomaly: Anomaly) -> str:
    page = reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])
    return f"{page}?{urlencode({'queue': filterset.data.urlencode()})}"
