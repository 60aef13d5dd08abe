"""The evidence of one anomaly as a file, from its page."""

from __future__ import annotations

import json
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from anomalies import permissions
from anomalies.audit.bundle import NoSuchAnomaly, bundle
from anomalies.audit.keys import KeyProblem
from anomalies.web.actor import actor_of


class Evidenced:
    """An admin of anomalies, each of which can be had as a signed bundle."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the bundle."""
        view = self.admin_site.admin_view(self.evidence_view)  # type: ignore[attr-defined]
        own = [path("<path:object_id>/evidence/", view, name="anomalies_anomaly_evidence")]
        return own + super().get_urls()  # type: ignore[misc]

    def evidence_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The bundle; where there is no key to sign it with, back to the page with words."""
        if not permissions.can_export(request.user):
            raise PermissionDenied
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            anomaly_id = UUID(object_id)
            made = bundle(anomaly_id, actor_of(request))
        except (ValueError, NoSuchAnomaly) as error:
            raise Http404(f"there is no anomaly {object_id}") from error
        except KeyProblem as error:
            messages.error(request, f"No bundle was made: {error}")
            return HttpResponseRedirect(reverse("admin:anomalies_anomaly_change", args=[object_id]))
        return HttpResponse(
            json.dumps(made, ensure_ascii=False, indent=1),
            content_type="application/json; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="evidence-{anomaly_id}.json"',
                "Cache-Control": "no-store",
            },
        )
