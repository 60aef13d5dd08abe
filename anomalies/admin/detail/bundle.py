"""The signed bundle of one anomaly as a file, from its page."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.audit.bundle import NoSuchAnomaly, bundle
from anomalies.audit.keys import KeyProblem
from anomalies.permissions import can_export

from ..views import DeskView, uuid_of


class BundleView(DeskView):
    """Makes the bundle; without a key to sign it, redirects to the page with the reason."""

    permission = staticmethod(can_export)

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the file."""
        pk = uuid_of(object_id)
        try:
            if pk is None:
                raise NoSuchAnomaly(object_id)
            made = bundle(pk, self.actor)
        except NoSuchAnomaly as error:
            raise Http404(f"there is no anomaly {object_id}") from error
        except KeyProblem as error:
            messages.error(request, _("The bundle was not made: %(error)s") % {"error": error})
            return HttpResponseRedirect(reverse("admin:anomalies_anomaly_change", args=[object_id]))
        return HttpResponse(
            json.dumps(made, ensure_ascii=False, indent=1),
            content_type="application/json; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="evidence-{pk}.json"',
                "Cache-Control": "no-store",
            },
        )
