"""The filtered list as a file, streamed."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from anomalies.audit import record_event
from anomalies.models import Anomaly
from anomalies.permissions import can_export
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.export import placed_lines
from anomalies.queries.filters import AnomalyFilter
from anomalies.web.replica_reads import note_write, streamed_from_replica

from ..views import DeskView

TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


class ExportView(DeskView):
    """Exports exactly the anomalies that the address filters; none where the filter is invalid."""

    permission = staticmethod(can_export)
    format_name = ""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the file."""
        me = request.user.get_username()
        filterset = AnomalyFilter(request.GET, queryset=Anomaly.objects.all(), me=me)
        unknown = set(request.GET) - set(filterset.filters) - {"o", "p"}
        if unknown or not filterset.form.is_valid():
            return self.to_list(_("Invalid filter values; nothing was exported."), messages.ERROR)
        about: dict[str, Any] = {"format": self.format_name, "filter": request.GET.urlencode()}
        record_event("export", self.actor, "anomaly", **about)
        note_write(request)
        name = f"anomalies-{timezone.now():%Y%m%dT%H%M%SZ}.{self.format_name}"
        return StreamingHttpResponse(
            streamed_from_replica(request, partial(placed_lines, listing_of(filterset), self.format_name)),
            content_type=TYPES[self.format_name],
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )
