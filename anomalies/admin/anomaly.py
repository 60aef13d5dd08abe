"""The analysts' desk: the list of anomalies, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from .. import jsonb, permissions
from ..audit import history
from ..models import Anomaly
from ..querysets import AnomalyQuerySet
from ..transitions import DecisionError, add_note, allowed_moves
from . import presentation as show
from .changelist import AnomalyChangeList, CappedPaginator
from .decisions import BULK_LIMIT, ConfirmationForm, DecisionForm, as_seen, decide_and_report, ids_of
from .page import figures
from .records import AnomalyColumns, ReadOnlyAdmin
from .request import actor_of


@admin.register(Anomaly)
class AnomalyAdmin(AnomalyColumns, ReadOnlyAdmin):
    """Nobody edits or deletes an anomaly; those who may, decide about it."""

    list_display = ("state", "when", "stream_type", "ncd", "p", "new", "change", "headline", "marks")
    list_display_links = ("when", "headline")
    list_per_page = 50
    list_max_show_all = 200
    search_fields = ("glass_box_explanation",)  # shows the box; the FilterSet does the searching
    search_help_text = 'Words in explanation or notes; "in quotes" as they stand, -without this one'
    ordering = ("-timestamp", "-id")
    paginator = CappedPaginator
    json_columns = ("baseline_data", "window_data", "metadata")
    actions = ("acknowledge", "dismiss", "investigate", "reopen")

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
    def state(self, anomaly: Anomaly) -> SafeString:
        return show.status_mark(anomaly.status, anomaly.get_status_display())

    @admin.display(description="When", ordering="timestamp")
    def when(self, anomaly: Anomaly) -> str:
        return show.moment(anomaly.timestamp)

    @admin.display(description="p", ordering="p_value")
    def p(self, anomaly: Anomaly) -> str:
        return show.p_value(anomaly.p_value) + (" *" if anomaly.is_statistically_significant else "")

    @admin.display(description="Novelty")
    def new(self, anomaly: Anomaly) -> str:
        return show.number(anomaly.novelty, 2)

    @admin.display(description="Explanation")
    def headline(self, anomaly: Any) -> str:
        return show.first_line(anomaly.headline)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"zone": show.zone_name(), **(extra_context or {})})

    # --- Decisions about many ----------------------------------------------------------------------

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

    def _decide_many(
        self, request: HttpRequest, queryset: QuerySet[Anomaly], action: str
    ) -> HttpResponse | None:
        """Ticked rows at once; a dismissal, and "all that match", after a page that says what will happen."""
        everything = request.POST.get("select_across") == "1"
        if action != "dismiss" and not everything:
            decide_and_report(request, action, ids_of(queryset))
            return None
        if "confirmed" not in request.POST:
            return self._confirm(request, queryset, action, self._first_form(action))
        form = ConfirmationForm(request.POST, action=action)
        if not form.is_valid():
            return self._confirm(request, queryset, action, form)
        ids = ids_of(as_seen(queryset, form.cleaned_data["seen_at"]))
        decide_and_report(request, action, ids, **form.decision)
        return None

    def _first_form(self, action: str) -> ConfirmationForm:
        return ConfirmationForm(
            action=action, initial={"seen_at": timezone.now().isoformat("T", "microseconds")}
        )

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Anomaly], action: str, form: ConfirmationForm
    ) -> TemplateResponse:
        counted = CappedPaginator(queryset, 1)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{action.capitalize()} anomalies",
            "action": action,
            "form": form,
            "count": counted.count,
            "capped": counted.is_capped,
            "limit": BULK_LIMIT if counted.is_capped else None,
            "sample": [(a, show.first_line(a.headline)) for a in queryset[:10]],  # type: ignore[attr-defined]
            "selected": request.POST.getlist("_selected_action"),
            "select_across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/confirm_decision.html", context)

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
        action = request.POST.get("action", "")
        if request.method != "POST":
            return self._page(request, anomaly, DecisionForm(action=""))
        if not self.has_decide_permission(request):
            raise PermissionDenied
        form = DecisionForm(request.POST, action=action)
        if form.is_valid() and self._decide_one(request, anomaly, form):
            return HttpResponseRedirect(request.get_full_path())
        return self._page(request, anomaly, form)

    def _whole(self, request: HttpRequest, object_id: str) -> Any:
        try:
            return jsonb.as_text(Anomaly.objects.all(), self.json_columns).filter(pk=object_id).first()
        except ValidationError:
            return None

    def _decide_one(self, request: HttpRequest, anomaly: Anomaly, form: DecisionForm) -> bool:
        try:
            if form.action == "note":
                add_note(anomaly.pk, actor_of(request), form.cleaned_data["note"])
                self.message_user(request, "Note added.", messages.SUCCESS)
            else:
                decide_and_report(request, form.action, [anomaly.pk], **form.decision)
        except DecisionError as error:
            form.add_error(None, str(error))
            return False
        return True

    def _page(self, request: HttpRequest, anomaly: Any, form: DecisionForm) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(anomaly),
            "anomaly": anomaly,
            "state": show.status_mark(anomaly.status, anomaly.get_status_display()),
            "explanation": show.visible(anomaly.glass_box_explanation, 20_000),
            "details": show.visible(anomaly.detailed_explanation or "", 20_000),
            "notes": show.visible(anomaly.notes or "", 20_000),
            "tags": show.tag_marks(anomaly.tags),
            "when": show.moment(anomaly.timestamp),
            "figures": figures(anomaly),
            "baseline": show.evidence(anomaly.baseline_data_text),
            "window": show.evidence(anomaly.window_data_text),
            "metadata": show.pretty_json(anomaly.metadata_text),
            "history": history(anomaly.pk),
            "form": form,
            "moves": allowed_moves(anomaly.status) if self.has_decide_permission(request) else [],
            "may_decide": self.has_decide_permission(request),
            "zone": show.zone_name(),
            "preserved_filters": self.get_preserved_filters(request),
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/page.html", context)
