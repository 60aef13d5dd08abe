"""The analysts' desk: the list of anomalies, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from anomalies import permissions
from anomalies.audit import history, with_last_entry
from anomalies.models import Anomaly, DismissalReason
from anomalies.queries.precedents import in_words, precedents
from anomalies.querysets import AnomalyQuerySet
from anomalies.triage.decisions import MOVES, DecisionError, Outcome, add_note, allowed_moves, decide, why_not
from anomalies.web.actor import actor_of

from .decide.all_matching import Frozen
from .decide.assign_snooze import Held, held, with_held, with_people
from .decide.edit_conflict import UNSIGNED, compare, new_batch
from .decide.forms import OneDecisionForm, report
from .decide.queue import Queued, bar, next_in_queue
from .decide.selected import BulkDecisions
from .decide.undo import Undone, undoable
from .detail.bundle import Evidenced
from .detail.evidence_panel import Asked, evidence_of, time_line_of, with_evidence
from .detail.threshold_table import figures
from .list.changelist import AnomalyChangeList, CappedPaginator
from .list.export import Exported
from .list.incident_rows import EpisodeLine, tick_members
from .list.saved_filters import SavedFilters, beside_the_list
from .read_only import AnomalyColumns, ReadOnlyAdmin
from .ui import formatting as show


@admin.register(Anomaly)
class AnomalyAdmin(
    Held,
    Frozen,
    Undone,
    Queued,
    Evidenced,
    Exported,
    SavedFilters,
    AnomalyColumns,
    BulkDecisions,
    ReadOnlyAdmin,
):
    """Nobody edits or deletes an anomaly; those who may, decide about it."""

    list_display = ("state", "when", "stream_type", "ncd", "p", "new", "change", "headline", "marks")
    list_display_links = ("when", "headline")
    list_per_page = 50
    list_max_show_all = 200
    search_fields = ("glass_box_explanation",)  # shows the box; the FilterSet does the searching
    search_help_text = 'Words in explanation or notes; "in quotes" as they stand, -without this one'
    ordering = ("-timestamp", "-id")
    paginator = CappedPaginator

    # --- Who may -----------------------------------------------------------------------------------

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the decisions are offered, and obeyed."""
        return permissions.can_decide(request.user)

    # --- The list ----------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AnomalyChangeList]:
        return AnomalyChangeList

    def get_queryset(self, request: HttpRequest) -> AnomalyQuerySet:
        return Anomaly.objects.for_list()

    @admin.display(description="Status", ordering="status")
    def state(self, anomaly: Anomaly | EpisodeLine) -> SafeString:
        if isinstance(anomaly, EpisodeLine):
            return anomaly.states
        return show.status_mark(anomaly.status, anomaly.get_status_display())

    @admin.display(description="When", ordering="timestamp")
    def when(self, anomaly: Anomaly | EpisodeLine) -> str:
        if isinstance(anomaly, EpisodeLine):
            return anomaly.when
        return show.moment(anomaly.timestamp)

    @admin.display(description="p", ordering="p_value")
    def p(self, anomaly: Anomaly) -> str:
        return show.p_value(anomaly.p_value) + (" *" if anomaly.is_statistically_significant else "")

    @admin.display(description="Novelty")
    def new(self, anomaly: Anomaly) -> str:
        return show.number(anomaly.novelty, 2)

    @admin.display(description="Explanation")
    def headline(self, anomaly: Any) -> str:
        if isinstance(anomaly, EpisodeLine):
            return anomaly.headline
        return with_held(show.first_line(anomaly.headline), anomaly)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Django's; a ticked episode stands for its anomalies."""
        tick_members(request)
        return super().changelist_view(
            request,
            {
                "zone": show.zone_name(),
                "batch": new_batch(),
                **beside_the_list(request),
                **(extra_context or {}),
            },
        )

    # --- The page of one ---------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One anomaly: what was seen, how it compares, what was decided; and, for who may, the decision."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        anomaly = self._whole(request, object_id)
        if anomaly is None:
            self.message_user(
                request, f"There is no anomaly {show.visible(object_id, 60)}.", messages.WARNING
            )
            return redirect("admin:anomalies_anomaly_changelist")
        if request.method != "POST":
            return self._page(request, anomaly, OneDecisionForm(action=""))
        if not self.has_decide_permission(request):
            raise PermissionDenied
        form = OneDecisionForm(request.POST, action=request.POST.get("action", ""))
        return self._answer(request, anomaly, form)

    def _whole(self, request: HttpRequest, object_id: str) -> Any:
        """All of an anomaly but long evidence: that comes when somebody asks for it, or searches in it."""
        rows = with_last_entry(with_evidence(Anomaly.objects.all(), Asked.of(request)), "anomaly")
        try:
            return with_people(rows).filter(pk=object_id).first()
        except ValidationError:
            return None

    def _answer(self, request: HttpRequest, anomaly: Any, form: OneDecisionForm) -> HttpResponse:
        """Do it, or show why not: 400 for a form without its version, 409 for one that is out of date."""
        if form.is_valid():
            outcome = self._decide_one(request, anomaly, form)
            if outcome and not outcome.changed:
                onward = next_in_queue(request, anomaly) if form.action in MOVES else None
                return HttpResponseRedirect(onward or request.get_full_path())
        if form.is_unsigned:
            return self._page(request, anomaly, form, status=400)
        now = self._whole(request, str(anomaly.pk)) or anomaly
        if form.cleaned_data["version"] != now.version:
            return self._conflict(request, now, form)
        return self._page(request, now, form)

    def _decide_one(self, request: HttpRequest, anomaly: Anomaly, form: OneDecisionForm) -> Outcome | None:
        """What came of it; None where it could not be decided, and then the form says why."""
        actor, seen = actor_of(request), form.cleaned_data["version"]
        try:
            if form.action == "note":
                note, batch = form.cleaned_data["note"], form.cleaned_data["batch"]
                outcome = add_note(anomaly.pk, actor, note, seen=seen, batch=batch)
            else:
                outcome = decide(form.action, [anomaly.pk], actor, seen={anomaly.pk: seen}, **form.decision)
        except DecisionError as error:
            form.add_error(None, str(error))
            return None
        if form.action == "note" and outcome.decided:
            self.message_user(request, "Note added.", messages.SUCCESS)
        elif not outcome.changed:
            report(request, form.action, outcome)
        return outcome

    def _page(
        self, request: HttpRequest, anomaly: Any, form: OneDecisionForm, status: int = 200
    ) -> TemplateResponse:
        nearest = precedents(anomaly, anomaly.window_data_text)
        told = history(anomaly.pk)
        context = {
            **self._frame(request, anomaly, form),
            "explanation": show.visible(anomaly.glass_box_explanation, 20_000),
            "details": show.visible(anomaly.detailed_explanation or "", 20_000),
            "notes": show.visible(anomaly.notes or "", 20_000),
            "tags": show.tag_marks(anomaly.tags),
            "figures": figures(anomaly),
            **evidence_of(request, anomaly),
            "time_line": time_line_of(anomaly, self.get_preserved_filters(request)),
            "metadata": show.pretty_json(anomaly.metadata_text),
            "precedents": nearest,
            "precedents_in_words": in_words(nearest),
            "history": told,
            "undoable": undoable(told) if self.has_decide_permission(request) else None,
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/page.html", context, status=status)

    def _conflict(self, request: HttpRequest, anomaly: Any, form: OneDecisionForm) -> TemplateResponse:
        """Both versions, and the form as it was filled in, which now means the one that is there."""
        seen, entry = form.cleaned_data["version"], form.cleaned_data["entry"]
        frame = self._frame(request, anomaly, form)
        impossible = form.action in MOVES and form.action not in frame["moves"]
        context = {
            **frame,
            "versions": compare(anomaly, "anomaly", seen, entry, always=("status", "notes")),
            "chosen": form.action if form.action in (*MOVES, "note") else "",
            "why_not": why_not(form.action, anomaly) if impossible else "",
            "reason": dict(DismissalReason.choices).get(form.data.get("reason", "")),
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/conflict.html", context, status=409)

    def _frame(self, request: HttpRequest, anomaly: Any, form: OneDecisionForm) -> dict[str, Any]:
        """What the page and the one about a conflict share: whose it is, and the form."""
        may_decide = self.has_decide_permission(request)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(anomaly),
            "anomaly": anomaly,
            "state": show.status_mark(anomaly.status, anomaly.get_status_display()),
            "when": show.moment(anomaly.timestamp),
            "zone": show.zone_name(),
            "form": form,
            "batch": new_batch(),
            "unsigned": UNSIGNED if form.is_bound and form.is_unsigned else "",
            "moves": allowed_moves(anomaly.status) if may_decide else [],
            "may_decide": may_decide,
            "preserved_filters": self.get_preserved_filters(request),
            "queue": bar(request, anomaly),
            **held(request, anomaly),
        }
