"""Decisions about many, from the list: what was seen goes along, and nothing else is decided about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from anomalies.models import Anomaly
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import MOVES, DecisionError, Refusal, allowed_moves, decide
from anomalies.triage.frozen_selection import freeze
from anomalies.web.actor import actor_of

from ..ui import formatting as show
from .assign_snooze_forms import OF_MANY, AssignForm, SnoozeForm
from .edit_conflict import new_batch, seen_in, seen_text
from .forms import FORM_LIMIT, DecisionForm, report

SAMPLE = 10
ManyForm = DecisionForm | AssignForm | SnoozeForm


def form_of(action: str, data: Any = None) -> ManyForm:
    """What goes with an action about many."""
    return OF_MANY[action](data) if action in OF_MANY else DecisionForm(data, action=action)


class BulkDecisions(admin.ModelAdmin):
    """The list's actions: ticked rows at once; a dismissal, and "all that match", after a page."""

    actions: Sequence[str] | None = (
        *("acknowledge", "dismiss", "investigate", "reopen"),
        *("assign_to_me", "assign", "snooze"),
    )

    def response_action(self, request: HttpRequest, queryset: QuerySet[Anomaly], **where: Any) -> Any:
        """As Django's, but ids that are none are said to be, and don't end in an error page.

        Django 6.1 says ``where`` the action was chosen: on the list or on a form.
        """
        try:
            return super().response_action(request, queryset, **where)
        except ValidationError:
            self.message_user(request, "The selection holds something that is no anomaly.", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @admin.action(description="Acknowledge: it is real", permissions=["decide"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "acknowledge")

    @admin.action(description="Dismiss: it is not …", permissions=["decide"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "dismiss")

    @admin.action(description="Investigate", permissions=["decide"])
    def investigate(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "investigate")

    @admin.action(description="Reopen", permissions=["decide"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "reopen")

    @admin.action(description="Assign to me", permissions=["decide"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        """The ticked rows at once; all that match after the page that asks to whom."""
        everything = request.POST.get("select_across") == "1"
        return self._decide_many(request, queryset, "assign" if everything else "assign_to_me")

    @admin.action(description="Assign to …", permissions=["decide"])
    def assign(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "assign")

    @admin.action(description="Snooze …", permissions=["decide"])
    def snooze(self, request: HttpRequest, queryset: QuerySet[Anomaly]) -> HttpResponse | None:
        return self._decide_many(request, queryset, "snooze")

    def _decide_many(
        self, request: HttpRequest, queryset: QuerySet[Anomaly], action: str
    ) -> HttpResponse | None:
        if "confirmed" in request.POST:
            return self._confirmed(request, action)
        if queryset.query.is_empty():  # the filter is not understood, so nobody knows what was meant
            return None
        if request.POST.get("select_across") == "1":
            shown = dict(queryset.values_list("pk", "version")[: FORM_LIMIT + 1])
            if len(shown) > FORM_LIMIT and action in MOVES:
                return self._freeze(request, queryset, action)
            if len(shown) > FORM_LIMIT:
                words = f"At most {FORM_LIMIT:,} at once are assigned or snoozed; narrow the filter."
                self.message_user(request, words, messages.ERROR)
                return None
            return self._confirm(request, action, shown, form_of(action))
        seen = _ticked(request)
        if action in ("dismiss", *OF_MANY):
            return self._confirm(request, action, seen, form_of(action))
        self._decide_ticked(request, action, seen)
        return None

    def _freeze(self, request: HttpRequest, queryset: QuerySet[Anomaly], action: str) -> HttpResponse:
        """More than a form carries: the database keeps what was shown, and a page of its own asks."""
        owner, query = request.user.get_username(), request.GET.urlencode()
        asked = freeze(queryset, owner, action, _asked_for(request), query, limit=settings.BULK_ROWS)
        return HttpResponseRedirect(reverse("admin:anomalies_anomaly_bulk", args=[asked.pk]))

    def _decide_ticked(self, request: HttpRequest, action: str, seen: dict[UUID, int]) -> None:
        """Also rows that the filter shows no more: whoever ticked them is told what became of them."""
        form = DecisionForm(request.POST, action=action)
        how: dict[str, Any] = {
            "seen": seen,
            "batch": form.cleaned_data.get("batch") if form.is_valid() else None,
        }
        actor = actor_of(request)
        if action == "assign_to_me":
            report(request, "assign", assign(seen, actor.username, actor, **how))
        else:
            report(request, action, decide(action, seen, actor, **how))

    def _confirmed(self, request: HttpRequest, action: str) -> HttpResponse | None:
        seen = dict(islice(seen_in(request, UUID).items(), FORM_LIMIT))
        form = form_of(action, request.POST)
        if not seen:
            words = "This form came without the versions that it was made of; nothing was changed."
            self.message_user(request, words, messages.ERROR)
            return None
        try:
            if not form.is_valid():
                return self._confirm(request, action, seen, form)
            outcome = form.take(seen, actor_of(request))
        except DecisionError as error:
            form.add_error(None, str(error))
            return self._confirm(request, action, seen, form)
        report(request, form.action, outcome)
        if not outcome.changed:
            return None
        return self._confirm_again(request, action, outcome.changed, form)

    def _confirm_again(
        self, request: HttpRequest, action: str, changed: tuple[Refusal, ...], form: ManyForm
    ) -> HttpResponse:
        """The rows that changed, as they are now, and what was typed: one click decides about them, too."""
        now = Anomaly.objects.filter(pk__in=[refusal.id for refusal in changed])
        why = {refusal.id: refusal.why for refusal in changed}
        response = self._confirm(request, action, dict(now.values_list("pk", "version")), form, why)
        response.status_code = 409
        return response

    def _confirm(
        self,
        request: HttpRequest,
        action: str,
        seen: dict[UUID, int],
        form: ManyForm,
        changed: Mapping[UUID, str] | None = None,
    ) -> TemplateResponse:
        """The page that says what will be done to how many; ``seen`` is all that will be."""
        everything = request.POST.get("select_across") == "1" and "confirmed" not in request.POST
        sample: AnomalyQuerySet = Anomaly.objects.for_list()
        sample = sample.filter(pk__in=list(seen)[:SAMPLE]).order_by("-timestamp", "-id")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{form.action.capitalize()} anomalies",
            "action": action,
            "holds": action not in MOVES,
            "form": form,
            "count": len(seen),
            "more": len(seen) > SAMPLE,
            "sample": [_line(anomaly, action, changed or {}) for anomaly in sample],
            "changed": changed,
            "everything": show.visible(_asked_for(request), 500) if everything else "",
            "first": next(iter(seen), ""),
            "seen": seen_text(seen),
            "batch": new_batch(),
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/confirm_decision.html", context)


def _asked_for(request: HttpRequest) -> str:
    """The list's filter, in words."""
    return in_words(AnomalyFilter(request.GET))


def _ticked(request: HttpRequest) -> dict[UUID, int]:
    """The versions of the ticked rows; 0, which no row has, of one that came without."""
    seen = seen_in(request, UUID)
    return {pk: seen.get(pk, 0) for pk in map(UUID, request.POST.getlist("_selected_action"))}


def _line(anomaly: Any, action: str, changed: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "anomaly": anomaly,
        "headline": show.first_line(anomaly.headline),
        "changed": show.visible(changed.get(anomaly.pk, ""), 200),
        "is_possible": action in allowed_moves(anomaly.status),
    }
