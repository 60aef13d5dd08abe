"""The list as a file: what is filtered, streamed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from anomalies import permissions
from anomalies.audit import record_event
from anomalies.models import Anomaly
from anomalies.queries.export import FORMATS, export
from anomalies.queries.filters import AnomalyFilter
from anomalies.web.actor import actor_of

TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


class Exported:
    """An admin of anomalies whose list can be had as a file."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the export."""
        view = self.admin_site.admin_view(self.export_view)  # type: ignore[attr-defined]
        own = [
            path(f"export/{name}/", view, {"format_name": name}, name=f"anomalies_anomaly_export_{name}")
            for name in FORMATS
        ]
        return own + super().get_urls()  # type: ignore[misc]

    def export_view(self, request: HttpRequest, format_name: str) -> HttpResponseBase:
        """Exactly the anomalies that the URL's filters name; none where it is not understood."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not permissions.can_export(request.user):
            raise PermissionDenied
        me = request.user.get_username()
        filterset = AnomalyFilter(request.GET, queryset=Anomaly.objects.all(), me=me)
        unknown = set(request.GET) - set(filterset.filters) - {"o", "p"}
        if unknown or not filterset.form.is_valid():
            messages.error(request, "The filter is not understood; nothing was exported.")
            return HttpResponseRedirect(reverse("admin:anomalies_anomaly_changelist"))
        about: dict[str, Any] = {"format": format_name, "filter": request.GET.urlencode()}
        record_event("export", actor_of(request), "anomaly", **about)
        name = f"anomalies-{timezone.now():%Y%m%dT%H%M%SZ}.{format_name}"
        return StreamingHttpResponse(
            export(filterset.qs, format_name),
            content_type=TYPES[format_name],
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )
