"""A decision about a pattern: its open anomalies are frozen, and the page of the frozen selection follows."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.models import OPEN, Pattern
from anomalies.permissions import can_decide
from anomalies.queries.bounded.walks import NEWEST_FIRST
from anomalies.triage.decisions import allowed_moves

from ..views import DeskView, uuid_of
from .messages import done_word
from .selected import freeze_matching

PATTERNS = "admin:anomalies_pattern_changelist"
ACTIONS = ("acknowledge", "dismiss", "investigate")


def _words(key: UUID) -> str:
    """The open anomalies of a pattern, in words: "open anomalies of “disk # full”, web"."""
    named = Pattern.objects.filter(pk=key).values_list("template", "source").first()
    template, source = named or (str(key), "")
    words = (
        _("open anomalies of “%(template)s”, %(source)s") if source else _("open anomalies of “%(template)s”")
    )
    return words % {"template": template[:300], "source": source}


class PatternDecisionView(DeskView):
    """Freezes the open anomalies of a pattern that the action applies to, and redirects to the preview."""

    permission = staticmethod(can_decide)
    model: ClassVar[type[Model]] = Pattern

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        """Freeze; a message on the list of patterns states that there is nothing to decide."""
        pattern, action = uuid_of(key), request.POST.get("action", "")
        filters = request.GET.get("_changelist_filters", "")
        back = f"{reverse(PATTERNS)}?{filters}" if filters else reverse(PATTERNS)
        if pattern is None or action not in ACTIONS:
            messages.error(
                request, _("Choose acknowledge, dismiss or investigate for a pattern of the list.")
            )
            return HttpResponseRedirect(back)
        query = QueryDict(mutable=True)
        query["pattern"] = str(pattern)
        query.setlist("status", [status.value for status in OPEN if action in allowed_moves(status)])
        asked = freeze_matching(
            query, action, request.user.get_username(), NEWEST_FIRST.names, _words(pattern)
        )
        if not asked.rows:
            words = _("No anomaly of this pattern can be %(done)s now.") % {"done": done_word(action)}
            messages.info(request, words)
            return HttpResponseRedirect(back)
        preview = reverse("admin:anomalies_anomaly_bulk", args=[asked.pk])
        return HttpResponseRedirect(f"{preview}?{urlencode({'patterns': filters})}")
