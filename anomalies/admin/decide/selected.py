"""The list's actions: decisions about the selected rows, in the versions that the list showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages import formats
from anomalies.languages.words import action as verb
from anomalies.models import Anomaly, BulkSet
from anomalies.permissions import can_decide
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.matches import Selection, first
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import MOVES, DecisionError, Refusal, allowed_moves, decide
from anomalies.triage.frozen_selection import freeze
from anomalies.web.kept_note import take_note

from ..model_admin import AnyModelAdmin
from ..ui import formatting as show
from ..views import DeskView
from .assign_snooze_forms import OF_MANY, AssignForm, SnoozeForm
from .decision import DecisionForm
from .edit_conflict import MISSING_VERSIONS, expected_text, expected_versions, new_batch
from .messages import report

# A form carries at most this many rows with their versions; a larger selection is frozen in the database.
FORM_LIMIT = 1_000
SAMPLE = 10
ManyForm = DecisionForm | AssignForm | SnoozeForm
Action = Callable[[AnyModelAdmin, HttpRequest, QuerySet[Anomaly]], HttpResponseBase]


class SelectedView(DeskView):
    """Applies one action to selected rows: directly, or after a page for the reason, assignee or time."""

    post_permission = staticmethod(can_decide)
    template = "admin/anomalies/anomaly/confirm_decision.html"
    action = ""
    queryset: QuerySet[Anomaly] = Anomaly.objects.none()

    def post(self, request: HttpRequest, *args: Any) -> HttpResponse:
        """Decide, show the confirmation page, or freeze a selection that is too large for a form."""
        if "confirmed" in request.POST:
            return self._confirmed()
        if self.queryset.query.is_empty():  # an invalid filter shows nothing, so nothing can be meant
            return self._done()
        if request.POST.get("select_across") == "1":
            return self._all_matching()
        expected = _ticked(request)
        if self.action in ("dismiss", *OF_MANY):
            return self._confirm(expected, form_of(self.action, note=take_note(self.request)))
        self._decide_ticked(expected)
        return self._done()

    def _done(self) -> HttpResponse:
        return HttpResponseRedirect(self.request.get_full_path())

    def _all_matching(self) -> HttpResponse:
        """Ask about every row that matches the filter."""
        action = "assign" if self.action == "assign_to_me" else self.action  # the page asks to whom
        found = self._first(FORM_LIMIT + 1)
        shown = dict(found.rows.values_list("pk", "version")[: FORM_LIMIT + 1])
        if len(shown) <= FORM_LIMIT and not found.is_part:
            return self._confirm(shown, form_of(action, note=take_note(self.request)))
        if action in MOVES:
            return self._freeze()
        words = _("At most %(count)s anomalies at once can be assigned or snoozed; narrow the filter.")
        words %= {"count": formats.count(FORM_LIMIT)}
        messages.error(self.request, words)
        return self._done()

    def _freeze(self) -> HttpResponse:
        """Store the matching rows in the database, for a separate confirmation page."""
        asked = freeze_matching(
            self.request.GET, self.action, self.request.user.get_username(), self._ordering
        )
        return HttpResponseRedirect(reverse("admin:anomalies_anomaly_bulk", args=[asked.pk]))

    def _first(self, most: int) -> Selection:
        """Return the first rows of the list on which the action was chosen, in its order."""
        me = self.request.user.get_username()
        return first(listing_of(AnomalyFilter(self.request.GET, me=me)), self._ordering, most)

    @property
    def _ordering(self) -> list[str]:
        return [str(name) for name in self.queryset.query.order_by]

    def _decide_ticked(self, expected: dict[UUID, int]) -> None:
        """Decide, also about rows that no longer match the filter: the message states their result."""
        form = DecisionForm(self.request.POST, action=self.action)
        batch = form.cleaned_data.get("batch") if form.is_valid() else None
        how: dict[str, Any] = {"seen": expected, "batch": batch}
        if self.action == "assign_to_me":
            report(self.request, "assign", assign(expected, self.actor.username, self.actor, **how))
        else:
            report(self.request, self.action, decide(self.action, expected, self.actor, **how))

    def _confirmed(self) -> HttpResponse:
        expected = dict(islice(expected_versions(self.request, UUID).items(), FORM_LIMIT))
        form = form_of(self.action, self.request.POST)
        if not expected:
            messages.error(self.request, MISSING_VERSIONS)
            return self._done()
        try:
            if not form.is_valid():
                return self._confirm(expected, form)
            outcome = form.take(expected, self.actor)
        except DecisionError as error:
            form.add_error(None, str(error))
            return self._confirm(expected, form)
        report(self.request, form.action, outcome)
        return self._confirm_again(outcome.changed, form) if outcome.changed else self._done()

    def _confirm_again(self, changed: tuple[Refusal, ...], form: ManyForm) -> HttpResponse:
        """Show the rows that changed as they are now, with what was typed, as 409."""
        now = Anomaly.objects.filter(pk__in=[refusal.id for refusal in changed])
        why = {refusal.id: refusal.why for refusal in changed}
        return self._confirm(dict(now.values_list("pk", "version")), form, why, status=409)

    def _confirm(
        self,
        expected: dict[UUID, int],
        form: ManyForm,
        changed: Mapping[UUID, str] | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """Show the confirmation page about all rows in ``expected``."""
        everything = self.request.POST.get("select_across") == "1" and "confirmed" not in self.request.POST
        action = form.action
        context = {
            "title": capfirst(_("%(action)s anomalies") % {"action": verb(action)}),
            "action": action,
            "is_decision": action in MOVES,
            "form": form,
            "count": len(expected),
            "more": len(expected) > SAMPLE,
            "sample": sample_rows(Anomaly.objects.filter(pk__in=list(expected)[:SAMPLE]), action, changed),
            "changed": changed,
            "everything": show.visible(_filter_words(self.request), 500) if everything else "",
            "first": next(iter(expected), ""),
            "expected": expected_text(expected),
            "batch": new_batch(),
        }
        return self.render(context, status)


def freeze_matching(
    query: QueryDict, action: str, me: str, ordering: Sequence[str], words: str = ""
) -> BulkSet:
    """Freeze the anomalies that match a filter of the list, the first BULK_ROWS in this order, for ``me``.

    ``words`` describe them; by default the filter as a sentence.
    """
    filterset = AnomalyFilter(query, me=me)
    found = first(listing_of(filterset), ordering, settings.BULK_ROWS + 1)
    about = (me, action, words or in_words(filterset), query.urlencode())
    return freeze(found.rows, *about, limit=settings.BULK_ROWS, is_part=found.is_part)


def form_of(action: str, data: Any = None, note: str = "") -> ManyForm:
    """Return the form of an action about many anomalies."""
    if action in OF_MANY:
        return OF_MANY[action](data)
    return DecisionForm(data, action=action, initial={"note": note})


def sample_rows(
    anomalies: AnomalyQuerySet, action: str, changed: Mapping[UUID, str] | None = None
) -> list[dict[str, Any]]:
    """Return a sample of a decision's anomalies for the confirmation page, the newest first."""
    return [
        {
            "anomaly": anomaly,
            "headline": show.first_line(anomaly.headline),
            "changed": show.visible((changed or {}).get(anomaly.pk, ""), 200),
            "is_possible": action not in MOVES or action in allowed_moves(anomaly.status),
        }
        for anomaly in anomalies.for_list().order_by("-timestamp", "-id")
    ]


def _filter_words(request: HttpRequest) -> str:
    """Return the list's filter as a sentence."""
    return in_words(AnomalyFilter(request.GET))


def _ticked(request: HttpRequest) -> dict[UUID, int]:
    """Return the expected versions of the selected rows; 0, which no row has, where the form lacks one."""
    expected = expected_versions(request, UUID)
    return {pk: expected.get(pk, 0) for pk in map(UUID, request.POST.getlist("_selected_action"))}


def _action(name: str, description: Any) -> Action:
    @admin.action(description=description, permissions=["decide"])
    def act(
        model_admin: AnyModelAdmin, request: HttpRequest, queryset: QuerySet[Anomaly]
    ) -> HttpResponseBase:
        return SelectedView.as_view(action=name, queryset=queryset)(request)

    act.__name__ = name
    return act


ACTIONS = (
    _action("acknowledge", gettext_lazy("Acknowledge (confirmed real)")),
    _action("dismiss", gettext_lazy("Dismiss …")),
    _action("investigate", gettext_lazy("Investigate")),
    _action("reopen", gettext_lazy("Reopen")),
    _action("assign_to_me", gettext_lazy("Assign to me")),
    _action("assign", gettext_lazy("Assign to …")),
    _action("snooze", gettext_lazy("Snooze …")),
)
