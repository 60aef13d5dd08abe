"""Undo at the desk: from the message about a decision, and from the history of an anomaly.

A decision about one is taken back at once. About many, or where the address was merely opened, a page asks
first: a GET changes nothing. A large undo goes on from form to form, each as many steps as fit in a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from anomalies import permissions
from anomalies.audit import Entry
from anomalies.triage.decisions import DecisionError
from anomalies.triage.undo import (
    UNDOABLE,
    Decision,
    NoSuchDecision,
    State,
    changed_in,
    decision,
    outcome,
    state,
    steps,
)
from anomalies.web.actor import actor_of
from anomalies.web.time_budget import time_is_up

from ..ui import formatting as show


class UndoForm(forms.Form):
    """``batch`` names the undo itself; ``anomaly`` is the only one that it is about; ``after``: how far."""

    batch = forms.UUIDField()
    anomaly = forms.UUIDField(required=False)
    note = forms.CharField(
        required=False, max_length=10_000, label="Note", widget=forms.Textarea(attrs={"rows": 2})
    )
    after = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)


@dataclass(frozen=True, slots=True)
class Undo:
    """What is asked for: to take ``found`` back, all of it or ``only`` for one anomaly."""

    found: Decision
    only: UUID | None
    own: UUID
    back: str

    @property
    def rows(self) -> int:
        """How many anomalies it is about."""
        return 1 if self.only else self.found.rows


class Undone:
    """An admin of anomalies whose decisions can be undone."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the undo of a decision by its batch."""
        view = self.admin_site.admin_view(self.undo_view)  # type: ignore[attr-defined]
        own = [path("undo/<path:undone>/", view, name="anomalies_anomaly_undo")]
        return own + super().get_urls()  # type: ignore[misc]

    def undo_view(self, request: HttpRequest, undone: str) -> HttpResponse:
        """Say what an undo would do, and do it."""
        if not permissions.can_decide(request.user):
            raise PermissionDenied
        form = UndoForm(request.POST if request.method == "POST" else None)
        asked = request.POST if request.method == "POST" else request.GET
        try:
            only = UUID(asked["anomaly"]) if asked.get("anomaly") else None
            found = decision(undone)
        except (NoSuchDecision, ValueError):
            messages.warning(request, f"There is no decision {show.visible(undone, 60)} to undo.")
            return HttpResponseRedirect(_list())
        is_sent = form.is_bound and form.is_valid()
        own = form.cleaned_data["batch"] if is_sent else uuid4()
        undo = Undo(found, only, own, way_back(request, asked.get("next", ""), _list()))
        if is_sent and (undo.rows == 1 or "confirmed" in request.POST):
            return self._take_back(request, undo, form)
        return self._ask_to_undo(request, undo, form)

    def _take_back(self, request: HttpRequest, undo: Undo, form: UndoForm) -> HttpResponse:
        """As much of it as fits in a moment; then the next form, or what came of it."""
        enough, said = time_is_up(), {"note": form.cleaned_data["note"], "only": undo.only}
        after = form.cleaned_data["after"] or 0
        try:
            for step in steps(undo.found.batch, actor_of(request), undo.own, after=after, **said):
                if enough():
                    return self._go_on_undoing(request, undo, said["note"], step.entry)
        except DecisionError as error:
            form.add_error(None, str(error))
            return self._ask_to_undo(request, undo, form)
        now = outcome(undo.found.batch, undo.own, undo.only)
        _report(request, undo, now)
        if undo.rows == 1:
            return HttpResponseRedirect(undo.back)
        return self._undo_page(request, undo, "undone.html", {"state": now, "title": "Undone"})

    def _go_on_undoing(self, request: HttpRequest, undo: Undo, note: str, after: int) -> HttpResponse:
        done = changed_in(str(undo.own))
        about = {"own_note": note, "after": after, "done": done, "title": "Undoing …"}
        return self._undo_page(request, undo, "undoing.html", about)

    def _ask_to_undo(self, request: HttpRequest, undo: Undo, form: UndoForm) -> TemplateResponse:
        now = state(undo.found.batch, None, undo.only)
        return self._undo_page(
            request, undo, "confirm_undo.html", {"form": form, "state": now, "title": "Undo"}
        )

    def _undo_page(
        self, request: HttpRequest, undo: Undo, template: str, about: dict[str, Any]
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "undo": undo,
            "told": show.visible(undo.found.told, 500),
            "note": show.visible(undo.found.note or "", 500),
            **about,
        }
        return TemplateResponse(request, f"admin/anomalies/anomaly/{template}", context)


def undoable(entries: Sequence[Entry]) -> Entry | None:
    """The entry of a history (the last first) that can be undone: its last, if that is a decision."""
    last = entries[0] if entries else None
    return last if last and last.batch and last.action in UNDOABLE else None


def offer(batch: Any) -> str:
    """The tags of a message that has an Undo button: what it takes back, and the undo's own name."""
    return f"undo {batch} {uuid4()}"


def _report(request: HttpRequest, undo: Undo, now: State) -> None:
    if now.undone:
        done = "Undone" if undo.rows == 1 else f"{now.undone:,} of {undo.rows:,} undone"
        messages.success(request, f"{done}: {undo.found.told}.", extra_tags=offer(undo.own))
    if now.already:
        messages.success(request, f"Undone before: {now.already:,}; nothing was done twice.")
    if now.skipped and undo.rows == 1:
        messages.warning(request, f"Left alone, changed since: {show.visible(now.left[0].why, 300)}.")


def _list() -> str:
    return reverse("admin:anomalies_anomaly_changelist")


def way_back(request: HttpRequest, address: str, otherwise: str) -> str:
    """Where somebody came from, if that is a page of this desk."""
    is_ours = url_has_allowed_host_and_scheme(
        address, {request.get_host()}, require_https=request.is_secure()
    )
    return address if is_ours and address.startswith("/") else otherwise
