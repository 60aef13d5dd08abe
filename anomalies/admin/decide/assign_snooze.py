"""Assignment and snooze of one anomaly: what its page shows of them, and the views of its forms."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from anomalies import permissions
from anomalies.audit import with_last_entry
from anomalies.languages.words import action as verb
from anomalies.models import OPEN, TEAM_SIGN, Anomaly, Team
from anomalies.queries.card.headline import with_headline
from anomalies.triage.snooze import sentence

from ..ui import formatting as show
from ..ui.naming import name_of
from ..views import OneAnomalyView
from .assign_snooze_forms import AssignOneForm, SnoozeOneForm, WakeOneForm
from .edit_conflict import Answer, OneAnomalyForm, new_batch


class _HoldView(OneAnomalyView):
    """Carries out a form of the page, or shows the form again on a separate page."""

    template = "admin/anomalies/anomaly/assign_snooze.html"
    always = ("status", "assigned_to", "snoozed_at")
    form_class: ClassVar[type[OneAnomalyForm]]

    def form(self) -> OneAnomalyForm:
        return self.form_class(self.request.POST)

    def onward(self, form: OneAnomalyForm, pk: UUID) -> str:
        """Return the page that the form was opened on; that of the anomaly where it does not say."""
        page = reverse("admin:anomalies_anomaly_change", args=[pk])
        return self.way_back(self.request.POST.get("next", ""), page)

    def read(self, object_id: str) -> Any:
        rows = with_last_entry(with_headline(Anomaly.objects.without_evidence()), "anomaly")
        try:
            return with_people(rows).filter(pk=object_id).first()
        except ValidationError:
            return None

    def refuse(self, anomaly: Any, form: OneAnomalyForm, answer: Answer) -> HttpResponse:
        """Show what is wrong with the form, or both versions, and the form again."""
        context = {
            **assign_snooze(self.request, anomaly, form),
            "title": capfirst(_("%(action)s an anomaly") % {"action": verb(form.action)}),
            "anomaly": anomaly,
            "name": name_of(anomaly),
            "may_decide": True,
            "action": form.action,
            "batch": new_batch(),
            "answer": answer,
            "versions": answer.versions,
            "back": self.onward(form, anomaly.pk),
        }
        return self.render(context, answer.status)


class AssignView(_HoldView):
    """Assigns an anomaly; "Assign to me" is a button of its own."""

    form_class = AssignOneForm

    def form(self) -> OneAnomalyForm:
        said: QueryDict = self.request.POST.copy()
        if "mine" in said:
            said["to"] = self.request.user.get_username()
        return AssignOneForm(said)


class SnoozeView(_HoldView):
    """Snoozes an anomaly."""

    form_class = SnoozeOneForm


class WakeView(_HoldView):
    """Ends an anomaly's snooze."""

    form_class = WakeOneForm


def assign_snooze(
    request: HttpRequest, anomaly: Anomaly, form: OneAnomalyForm | None = None
) -> dict[str, Any]:
    """Return what a page shows of an anomaly's assignment and snooze, with forms for those who may decide.

    ``form`` is the one that was sent.
    """
    found: dict[str, Any] = {
        "snoozed": show.visible(sentence(anomaly, timezone.get_current_timezone()), 500),
        "may_snooze": anomaly.status in OPEN,
        "zone": show.zone_name(),
    }
    if permissions.can_decide(request.user):
        is_assign, is_snooze = isinstance(form, AssignOneForm), isinstance(form, SnoozeOneForm)
        now = {"to": anomaly.assigned_to or ""}
        people = _people(anomaly)
        found["assign_form"] = form if is_assign else AssignOneForm(initial=now, people=people)
        found["snooze_form"] = form if is_snooze else SnoozeOneForm()
    return found


def with_people(rows: QuerySet[Anomaly]) -> QuerySet[Anomaly]:
    """Annotate each row with the names of all assignees, so that a page needs one statement."""
    teams = ArraySubquery(Team.objects.order_by("name").values("name"))
    return rows.annotate(deciders=ArraySubquery(permissions.deciders()), teams=teams)


def _people(anomaly: Any) -> list[str] | None:
    """The names that ``with_people`` read; None where it did not."""
    if not hasattr(anomaly, "teams"):
        return None
    return [*anomaly.deciders, *(f"{TEAM_SIGN}{name}" for name in anomaly.teams)]


def with_assign_snooze(headline: str, anomaly: Any) -> SafeString | str:
    """Add the assignee and the snooze, if any, to a row's headline."""
    to = show.visible(anomaly.assigned_to or "", 60)
    assignee = _("assigned to %(name)s") % {"name": to} if to else ""
    snoozed = show.visible(sentence(anomaly, timezone.get_current_timezone()), 300)
    words = "; ".join(filter(None, (assignee, snoozed)))
    if not words:
        return headline
    return format_html('<span class="clamped">{}</span> <span class="held">{}</span>', headline, words)
