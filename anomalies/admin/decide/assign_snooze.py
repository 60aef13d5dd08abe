"""Whose turn an anomaly is and whether it sleeps: shown, and changed one by one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from anomalies import permissions
from anomalies.models import Anomaly
from anomalies.triage.decisions import DecisionError
from anomalies.triage.snooze import OPEN, told
from anomalies.web.actor import actor_of

from ..ui import formatting as show
from .assign_snooze_forms import OF_ONE, AssignOneForm, Form, SnoozeOneForm
from .edit_conflict import UNSIGNED, compare, new_batch
from .forms import report
from .undo import way_back


class Held:
    """An admin of anomalies that are assigned and snoozed."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and where the forms of one anomaly are sent to."""
        view = self.admin_site.admin_view(self.hold_view)  # type: ignore[attr-defined]
        own = [
            path(f"<path:object_id>/{name}/", view, {"action": name}, name=f"anomalies_anomaly_{name}")
            for name in OF_ONE
        ]
        return own + super().get_urls()  # type: ignore[misc]

    def hold_view(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """Assign, snooze or wake it, or show why not: 400 and 409 as for a decision."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not permissions.can_decide(request.user):
            raise PermissionDenied
        anomaly = self._whole(request, object_id)  # type: ignore[attr-defined]
        if anomaly is None:
            messages.warning(request, f"There is no anomaly {show.visible(object_id, 60)}.")
            return HttpResponseRedirect(reverse("admin:anomalies_anomaly_changelist"))
        form = OF_ONE[action](_said(request, action))
        if form.is_valid() and self._hold(request, anomaly, form):
            return HttpResponseRedirect(_back(request, anomaly))
        return self._hold_page(request, anomaly, form)

    def _hold(self, request: HttpRequest, anomaly: Anomaly, form: Form) -> bool:
        """Whether it was done, or need not be."""
        try:
            outcome = form.take({anomaly.pk: form.cleaned_data["version"]}, actor_of(request))
        except DecisionError as error:
            form.add_error(None, str(error))
            return False
        if not outcome.changed:
            report(request, form.action, outcome)
        return not outcome.changed

    def _hold_page(self, request: HttpRequest, anomaly: Any, form: Form) -> TemplateResponse:
        """What is wrong with the form, or what happened since it was opened, and the form again."""
        now = self._whole(request, str(anomaly.pk)) or anomaly  # type: ignore[attr-defined]
        versions = None
        if not form.is_unsigned and form.cleaned_data["version"] != now.version:
            seen, entry = form.cleaned_data["version"], form.cleaned_data["entry"]
            versions = compare(now, "anomaly", seen, entry, always=("status", "assigned_to", "snoozed_at"))
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            **held(request, now, form),
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": f"{form.action.capitalize()} an anomaly",
            "anomaly": now,
            "may_decide": True,
            "action": form.action,
            "batch": new_batch(),
            "versions": versions,
            "unsigned": UNSIGNED if form.is_unsigned else "",
            "back": _back(request, now),
        }
        status = 400 if form.is_unsigned else 409 if versions else 200
        return TemplateResponse(request, "admin/anomalies/anomaly/hold.html", context, status=status)


def held(request: HttpRequest, anomaly: Anomaly, form: Form | None = None) -> dict[str, Any]:
    """What a page says of one anomaly, and its forms for who may; ``form`` is the one that was sent."""
    found: dict[str, Any] = {
        "asleep": show.visible(told(anomaly, timezone.get_current_timezone()), 500),
        "may_sleep": anomaly.status in OPEN,
    }
    if permissions.can_decide(request.user):
        is_assign, is_snooze = isinstance(form, AssignOneForm), isinstance(form, SnoozeOneForm)
        now = {"to": anomaly.assigned_to or ""}
        people = getattr(anomaly, "people", None)
        found["assign_form"] = form if is_assign else AssignOneForm(initial=now, people=people)
        found["snooze_form"] = form if is_snooze else SnoozeOneForm()
    return found


def with_people(rows: QuerySet[Anomaly]) -> QuerySet[Anomaly]:
    """The same rows, each with ``people``, who may decide about it: for a page in one statement."""
    return rows.annotate(people=ArraySubquery(permissions.deciders()))


def with_held(headline: str, anomaly: Any) -> SafeString | str:
    """A line of the list, and whose the anomaly is and that it sleeps, if so."""
    whose = f"assigned to {show.visible(anomaly.assigned_to, 60)}" if anomaly.assigned_to else ""
    asleep = show.visible(told(anomaly, timezone.get_current_timezone()), 300)
    words = "; ".join(filter(None, (whose, asleep)))
    if not words:
        return headline
    return format_html('<span class="clamped">{}</span> <span class="held">{}</span>', headline, words)


def _said(request: HttpRequest, action: str) -> Any:
    """The form as it was sent; "assign to me" is a button of its own."""
    if action != "assign" or "mine" not in request.POST:
        return request.POST
    said = request.POST.copy()
    said["to"] = request.user.get_username()
    return said


def _back(request: HttpRequest, anomaly: Anomaly) -> str:
    page = reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])
    return way_back(request, request.POST.get("next", ""), page)
