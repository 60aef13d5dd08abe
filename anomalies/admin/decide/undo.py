"""Undo: from the message about a decision, and from the history of an anomaly.

A decision about one anomaly is undone at once. About many, or where the address was merely opened, a page
asks first: a GET changes nothing. A large undo continues from form to form, one time slice each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages import formats
from anomalies.permissions import can_decide
from anomalies.triage.decisions import DecisionError
from anomalies.triage.undo import Decision, NoSuchDecision, State, changed_in, decision, outcome, state, steps

from ..ui import formatting as show
from ..views import LIST, DeskView, time_slice
from .messages import undo_tags


class UndoForm(forms.Form):
    """``batch`` of the undo itself, ``anomaly`` if only one, ``after``: the last audit entry undone."""

    batch = forms.UUIDField()
    anomaly = forms.UUIDField(required=False)
    note = forms.CharField(
        required=False,
        max_length=10_000,
        label=gettext_lazy("Note"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    after = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)


@dataclass(frozen=True, slots=True)
class Undo:
    """An undo of the decision ``found``, for all of its anomalies or ``only`` one, in the batch ``own``."""

    found: Decision
    only: UUID | None
    own: UUID
    back: str

    @property
    def rows(self) -> int:
        """The number of anomalies that it is about."""
        return 1 if self.only else self.found.rows


class UndoView(DeskView):
    """Says what an undo would do, and does it."""

    permission = staticmethod(can_decide)

    def get(self, request: HttpRequest, undone: str) -> HttpResponse:
        """Ask."""
        undo = self._undo(undone, request.GET, uuid4())
        return self._ask(undo, UndoForm()) if undo else self._none(undone)

    def post(self, request: HttpRequest, undone: str) -> HttpResponse:
        """Undo a decision about one anomaly, or a confirmed one; ask for confirmation of any other."""
        form = UndoForm(request.POST)
        is_valid = form.is_valid()
        undo = self._undo(undone, request.POST, form.cleaned_data["batch"] if is_valid else uuid4())
        if undo is None:
            return self._none(undone)
        if is_valid and (undo.rows == 1 or "confirmed" in request.POST):
            return self._take_back(undo, form)
        return self._ask(undo, form)

    def _none(self, undone: str) -> HttpResponse:
        return self.to_list(_("There is no decision %(id)s to undo.") % {"id": show.visible(undone, 60)})

    def _undo(self, undone: str, asked: QueryDict, own: UUID) -> Undo | None:
        try:
            only = UUID(str(asked["anomaly"])) if asked.get("anomaly") else None
            found = decision(undone)
        except (NoSuchDecision, ValueError):
            return None
        return Undo(found, only, own, self.way_back(asked.get("next", ""), reverse(LIST)))

    def _take_back(self, undo: Undo, form: UndoForm) -> HttpResponse:
        """Undo for one time slice; then show the next form, or the result."""
        is_over, note = time_slice(), form.cleaned_data["note"]
        after = form.cleaned_data["after"] or 0
        try:
            for step in steps(undo.found.batch, self.actor, undo.own, after=after, note=note, only=undo.only):
                if is_over():
                    return self._continue(undo, note, step.entry)
        except DecisionError as error:
            form.add_error(None, str(error))
            return self._ask(undo, form)
        now = outcome(undo.found.batch, undo.own, undo.only)
        _report(self.request, undo, now)
        if undo.rows == 1:
            return HttpResponseRedirect(undo.back)
        return self._page(undo, "undone.html", {"state": now, "title": _("Undone")})

    def _continue(self, undo: Undo, note: str, after: int) -> HttpResponse:
        done = changed_in(str(undo.own))
        about = {"own_note": note, "after": after, "done": done, "title": _("Undoing …")}
        return self._page(undo, "undoing.html", about)

    def _ask(self, undo: Undo, form: UndoForm) -> HttpResponse:
        now = state(undo.found.batch, None, undo.only)
        return self._page(undo, "confirm_undo.html", {"form": form, "state": now, "title": _("Undo")})

    def _page(self, undo: Undo, template: str, about: dict[str, Any]) -> HttpResponse:
        self.template = f"admin/anomalies/anomaly/{template}"
        context = {
            "undo": undo,
            "summary": show.visible(undo.found.summary, 500),
            "note": show.visible(undo.found.note or "", 500),
        }
        return self.render({**context, **about})


def _report(request: HttpRequest, undo: Undo, now: State) -> None:
    if now.undone:
        words = _("Undone: %(what)s.") if undo.rows == 1 else _("%(done)s of %(all)s undone: %(what)s.")
        numbers = {"done": formats.count(now.undone), "all": formats.count(undo.rows)}
        about = {**numbers, "what": undo.found.summary}
        messages.success(request, words % about, extra_tags=undo_tags(undo.own))
    if now.already:
        words = _("Undone before: %(count)s; nothing was done twice.")
        messages.success(request, words % {"count": formats.count(now.already)})
    if now.skipped and undo.rows == 1:
        words = _("Skipped, changed since: %(why)s.") % {"why": show.visible(now.left[0].why, 300)}
        messages.warning(request, words)
