"""A decision about everything that matches a filter: confirmed once, carried out with progress, reported.

The selection is frozen when the question is asked. A GET shows its state and changes nothing; each POST
decides about as many parts as fit in a time slice.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from anomalies.languages.words import action, anomalies
from anomalies.models import BulkSet
from anomalies.permissions import can_decide
from anomalies.triage.decisions import DecisionError
from anomalies.triage.frozen_selection import begin, decide_parts, exclude, frozen, result
from anomalies.web.kept_note import take_note

from ..ui import formatting as show
from ..views import LIST, DeskView, time_slice, uuid_of
from .decision import DecisionForm
from .edit_conflict import new_batch
from .messages import DONE_BEFORE, DONE_NOW, done_word, undo_tags
from .pattern import PATTERNS
from .preview import preview


class AllMatchingView(DeskView):
    """A frozen selection: the confirmation, progress or result page, by its state."""

    permission = staticmethod(can_decide)
    template = "admin/anomalies/anomaly/all_matching.html"

    def get(self, request: HttpRequest, key: str) -> HttpResponse:
        """Show the state of the selection."""
        asked = self._selection(key)
        return self._page(asked) if asked else self._none()

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        """Decide for one time slice; the first form gives the reason and the note."""
        asked = self._selection(key)
        if asked is None:
            return self._none()
        if asked.started_at is None:
            form = DecisionForm(request.POST, action=asked.action)
            try:
                if not form.is_valid():
                    return self._page(asked, form)
                asked = self._begin(asked, form)
            except DecisionError as error:
                form.add_error(None, str(error))
                return self._page(asked, form)
        return self._continue(asked)

    def _begin(self, asked: BulkSet, form: DecisionForm) -> BulkSet:
        """Take out the anomalies that were excluded by a click, and set reason and note."""
        left_out = [pk for each in self.request.POST.getlist("exclude") if (pk := uuid_of(each))]
        with transaction.atomic():
            return begin(exclude(asked, left_out), form.decision["reason"], form.decision["note"])

    @property
    def _back(self) -> str | None:
        """The address of the list of patterns, for a selection that was made there."""
        query = self.request.GET.get("patterns")
        return None if query is None else reverse(PATTERNS) + (f"?{query}" if query else "")

    def _selection(self, key: str) -> BulkSet | None:
        pk: UUID | None = uuid_of(key)
        return frozen(pk, self.request.user.get_username()) if pk else None

    def _none(self) -> HttpResponse:
        return self.to_list(_("This selection has expired or is not yours; select again."))

    def _continue(self, asked: BulkSet) -> HttpResponse:
        is_over, was_done = time_slice(), asked.done_to >= asked.rows
        for now in decide_parts(asked, self.actor):
            asked = now
            if is_over():
                break
        if asked.done_to < asked.rows:
            return self._page(asked, continues=True)
        about = {"anomalies": anomalies(asked.decided), "done": done_word(asked.action)}
        words = str(DONE_BEFORE if was_done else DONE_NOW) % about
        if self._back and asked.decided == asked.rows:
            messages.success(self.request, words, extra_tags=undo_tags(asked.pk))
            return HttpResponseRedirect(self._back)
        messages.success(self.request, words)  # the undo button is on the page that follows
        return HttpResponseRedirect(self.request.get_full_path())

    def _page(
        self, asked: BulkSet, form: DecisionForm | None = None, continues: bool = False
    ) -> HttpResponse:
        context: dict[str, Any] = {
            "title": capfirst(_("%(action)s anomalies") % {"action": action(asked.action)}),
            "asked": asked,
            "words": show.visible(asked.words, 500),
            "back": self._back or reverse(LIST) + (f"?{asked.query}" if asked.query else ""),
            "back_to": _("Back to Patterns") if self._back else _("Back to the list"),
            "done": done_word(asked.action),
            "continues": continues,
        }
        if asked.started_at is None:
            context |= {
                "form": form or DecisionForm(action=asked.action, initial={"note": take_note(self.request)}),
                **preview(asked, self.request.POST.getlist("exclude")),
            }
        elif asked.done_to >= asked.rows:
            context |= {"state": result(asked), "own": new_batch()}
        return self.render(context)
