"""Queue mode: one anomaly after another, and the next one after each decision.

The queue is a filter of the list, of what is pending and awake unless it says otherwise; its address goes
along from page to page. Nobody holds a place in it: what somebody else decided meanwhile is passed over.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from anomalies.models import Anomaly, Status
from anomalies.queries import keyset
from anomalies.queries.facets import COUNTED
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.snooze import wake

from ..ui.formatting import visible

_ORDER = ("-timestamp", "-id")
_LIST = "admin:anomalies_anomaly_changelist"
_LONGEST = 4_000  # characters of a queue's address


class Queued:
    """An admin of anomalies that can be worked through."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the door to the queue."""
        view = self.admin_site.admin_view(self.queue_view)  # type: ignore[attr-defined]
        return [path("queue/", view, name="anomalies_anomaly_queue"), *super().get_urls()]  # type: ignore[misc]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """To the anomaly that comes after (or before) a place in the queue; to the first one without."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        filterset = queue_of(request.GET, request)
        if not filterset.form.is_valid():
            messages.error(request, "The queue's filter is not understood; here is the list.")
            return HttpResponseRedirect(reverse(_LIST))
        wake()
        found = _found(request, filterset)
        if found is None:
            messages.info(request, f"Nothing is waiting: {visible(in_words(filterset), 300)}.")
            return HttpResponseRedirect(reverse(_LIST))
        return HttpResponseRedirect(_page_in(filterset, found))


def queue_of(asked: QueryDict, request: HttpRequest) -> AnomalyFilter:
    """The filter that an address asks for; what is pending and awake unless it says otherwise."""
    kept = QueryDict(mutable=True)
    for name in AnomalyFilter.base_filters:
        if values := [value for value in asked.getlist(name) if value]:
            kept.setlist(name, values)
    if "status" not in kept:
        kept["status"] = Status.PENDING
    if "snoozed" not in kept:
        kept["snoozed"] = "no"
    return AnomalyFilter(kept, queryset=Anomaly.objects.all(), me=request.user.get_username())


def next_in_queue(request: HttpRequest, anomaly: Anomaly) -> str | None:
    """Where whoever decided about an anomaly goes on; None outside of a queue."""
    filterset = _queue_in(request)
    return _link(filterset, "after", anomaly) if filterset else None


def bar(request: HttpRequest, anomaly: Anomaly) -> dict[str, Any] | None:
    """What the page says of the queue: its words, how many wait, and the ways on; None outside of one."""
    filterset = _queue_in(request)
    if filterset is None:
        return None
    waiting = _rows(filterset).values("pk")[: COUNTED + 1].count()
    return {
        "words": visible(in_words(filterset), 300),
        "waiting": f"{COUNTED:,}+" if waiting > COUNTED else f"{waiting:,}",
        "next": _link(filterset, "after", anomaly),
        "previous": _link(filterset, "before", anomaly),
        "list": f"{reverse(_LIST)}?{filterset.data.urlencode()}",
        "here": request.get_full_path(),
        "mine": f"{reverse('admin:anomalies_anomaly_queue')}?assigned=me",
    }


def _queue_in(request: HttpRequest) -> AnomalyFilter | None:
    """The queue that a page is looked at in."""
    query = request.GET.get("queue")
    if query is None or len(query) > _LONGEST:
        return None
    filterset = queue_of(QueryDict(query), request)
    return filterset if filterset.form.is_valid() else None


def _found(request: HttpRequest, filterset: AnomalyFilter) -> Anomaly | None:
    """The next one from the place that is asked for; at an end of the queue the first or last one again."""
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    step, place = (keyset.page_before, before) if before else (keyset.page_after, after)
    try:
        found = step(_rows(filterset), _ORDER, place, 1).rows
    except keyset.CursorError:
        found, place = [], "?"
    if not found and place:
        found = step(_rows(filterset), _ORDER, "", 1).rows
        if found:
            messages.info(request, "That was the end of the queue; it begins again.")
    return found[0] if found else None


def _rows(filterset: AnomalyFilter) -> AnomalyQuerySet:
    rows: AnomalyQuerySet = filterset.qs.only("timestamp")
    return rows


def _link(filterset: AnomalyFilter, way: str, anomaly: Anomaly) -> str:
    asked = filterset.data.copy()
    asked[way] = keyset.cursor_of(anomaly, _ORDER)
    return f"{reverse('admin:anomalies_anomaly_queue')}?{asked.urlencode()}"


def _page_in(filterset: AnomalyFilter, anomaly: Anomaly) -> str:
    page = reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])
    return f"{page}?{urlencode({'queue': filterset.data.urlencode()})}"
