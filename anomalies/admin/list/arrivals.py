"""The number of anomalies that an open page does not show yet, for the script that asks for it."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.utils.dateparse import parse_datetime

from anomalies.languages import formats
from anomalies.queries.bounded.arrivals import arrivals
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.filters import AnomalyFilter

from ..views import DeskView

_OURS = ("stored_after", "age")
_LONGEST = 7 * 24 * 3_600_000  # milliseconds


class ArrivalsView(DeskView):
    """JSON: ``new`` as shown ("23", "1,000+"), and ``since``, to be sent as ``stored_after`` from then on.

    The first request sends ``age``, the milliseconds since the page was opened, as the clocks of browser and
    database differ; a week at most. The answer has an ETag: an unchanged count is 304.
    """

    reads_replica = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Count under the list's filter; 400 for an invalid one."""
        since = _moment(request.GET.get("stored_after", ""))
        age = request.GET.get("age", "")
        asked = request.GET.copy()
        for name in _OURS:
            asked.pop(name, None)
        filterset = AnomalyFilter(asked, me=request.user.get_username())
        is_age = age.isascii() and age.isdigit() and len(age) < 16
        if not (since or is_age) or not filterset.form.is_valid():
            return HttpResponseBadRequest("stored_after or age, and the filters of the list")
        found = arrivals(listing_of(filterset), since, min(int(age), _LONGEST) if is_age else 0)
        shown = f"{formats.count(found.count)}{'+' if found.is_least else ''}"
        tag = f'"{found.since.isoformat()} {shown}"'
        if request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=304, headers={"ETag": tag})
        answer = {"new": shown, "count": found.count, "since": found.since.isoformat()}
        return JsonResponse(answer, headers={"ETag": tag})


def _moment(text: str) -> datetime | None:
    """Parse a time with its zone; None for anything else."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo else None
