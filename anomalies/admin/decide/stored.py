"""The look-up of a decision whose answer was lost: from the page that says so, until the database answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from anomalies.web import lost_connection
from anomalies.web.error_pages import error_page

from ..views import DeskView


class StoredView(DeskView):
    """Says if the decision of a form is in the audit log; while the database does not answer it is a 503."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Look the form's decision up; it is not carried out."""
        found = lost_connection.about_decision(request)
        if found["decision"] is None:
            return self.to_list(_("There is no decision to look up."))
        status = 503 if found["stored"] is None else 200
        return error_page(lost_connection.TEMPLATE, status, is_back=status == 200, **found)
