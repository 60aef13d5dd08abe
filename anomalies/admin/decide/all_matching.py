"""A decision about everything that matches: asked once, worked off in sight, told at the end.

The set is frozen when the question is asked. A GET shows how it stands and changes nothing; each POST decides
about as many parts as fit in a moment.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from anomalies import permissions
from anomalies.models import Anomaly, BulkSet
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.decisions import DecisionError, allowed_moves
from anomalies.triage.frozen_selection import begin, decide_parts, frozen, result, sample
from anomalies.web.actor import actor_of
from anomalies.web.time_budget import time_is_up

from ..ui import formatting as show
from .edit_conflict import new_batch
from .forms import DecisionForm, counted, done_word

SAMPLE = 10


class Frozen:
    """An admin of anomalies whose list decides about all that match."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the page of a set."""
        view = self.admin_site.admin_view(self.set_view)  # type: ignore[attr-defined]
        return [path("bulk/<str:key>/", view, name="anomalies_anomaly_bulk"), *super().get_urls()]  # type: ignore[misc]

    def set_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """Ask, go on, or tell what came of it: whatever the set is at."""
        if not permissions.can_decide(request.user):
            raise PermissionDenied
        asked = self._set(request, key)
        if asked is None:
            messages.warning(request, "This selection is not yours, or too old; choose again.")
            return HttpResponseRedirect(reverse("admin:anomalies_anomaly_changelist"))
        if request.method == "POST":
            return self._decide_set(request, asked)
        return self._set_page(request, asked)

    def _set(self, request: HttpRequest, key: str) -> BulkSet | None:
        try:
            return frozen(UUID(key), request.user.get_username())
        except ValueError:
            return None

    def _decide_set(self, request: HttpRequest, asked: BulkSet) -> HttpResponse:
        """As much as fits in a moment; the first form says the reason and the note."""
        if asked.started_at is None:
            form = DecisionForm(request.POST, action=asked.action)
            try:
                if not form.is_valid():
                    return self._set_page(request, asked, form)
                asked = begin(asked, form.decision["reason"], form.decision["note"])
            except DecisionError as error:
                form.add_error(None, str(error))
                return self._set_page(request, asked, form)
        enough, was_done = time_is_up(), asked.done_to >= asked.rows
        for now in decide_parts(asked, actor_of(request)):
            asked = now
            if enough():
                break
        if asked.done_to < asked.rows:
            return self._set_page(request, asked, goes_on=True)
        self._tell(request, asked, was_done)
        return HttpResponseRedirect(request.path)

    def _tell(self, request: HttpRequest, asked: BulkSet, was_done: bool) -> None:
        words = f"{counted(asked.decided)} {done_word(asked.action)}"
        words += " by you a moment ago; nothing was done twice." if was_done else "."
        messages.success(request, words)  # the page that it leads to has the Undo

    def _set_page(
        self, request: HttpRequest, asked: BulkSet, form: DecisionForm | None = None, goes_on: bool = False
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": f"{asked.action.capitalize()} anomalies",
            "asked": asked,
            "words": show.visible(asked.words, 500),
            "back": reverse("admin:anomalies_anomaly_changelist")
            + (f"?{asked.query}" if asked.query else ""),
            "done": done_word(asked.action),
            "goes_on": goes_on,
        }
        if asked.started_at is None:
            shown: AnomalyQuerySet = sample(asked, SAMPLE)  # type: ignore[assignment]
            lines = [_line(each, asked.action) for each in shown.for_list().order_by("-timestamp", "-id")]
            context |= {"form": form or DecisionForm(action=asked.action), "sample": lines}
        elif asked.done_to >= asked.rows:
            context |= {"state": result(asked), "own": new_batch()}
        return TemplateResponse(request, "admin/anomalies/anomaly/set.html", context)


def _line(anomaly: Anomaly, action: str) -> dict[str, Any]:
    return {
        "anomaly": anomaly,
        "headline": show.first_line(anomaly.headline),  # type: ignore[attr-defined]
        "is_possible": action in allowed_moves(anomaly.status),
    }
