"""The list of anomalies, and every address below it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.models import Anomaly
from anomalies.querysets import AnomalyQuerySet

from .decide.all_matching import AllMatchingView
from .decide.assign_snooze import AssignView, SnoozeView, WakeView
from .decide.comment import CommentView
from .decide.decision import DecisionView
from .decide.edit_conflict import new_batch
from .decide.queue import QueueView
from .decide.selected import ACTIONS
from .decide.stored import StoredView
from .decide.undo import UndoView
from .detail.bundle import BundleView
from .detail.viewers import ViewersView
from .list import columns
from .list.arrivals import ArrivalsView
from .list.changelist import AnomalyChangeList, CappedPaginator
from .list.column_choice import ColumnsView
from .list.export import ExportView
from .list.incident_rows import tick_members
from .list.saved_filters import SavedFiltersView
from .read_only import ReadOnlyAdmin
from .ui.formatting import zone_name


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyAdmin):
    """Nobody edits or deletes an anomaly; those who may, decide about it."""

    reads_replica = True
    list_display = (
        columns.state,
        columns.when,
        "stream_type",
        columns.ncd,
        columns.p,
        columns.novelty,
        columns.change,
        columns.headline,
        columns.tags,
        columns.source,
    )
    list_display_links = (columns.when, columns.headline)
    list_per_page = 50
    list_max_show_all = 200
    search_fields = ("glass_box_explanation",)  # shows the search box; the FilterSet searches
    search_help_text = gettext_lazy(
        'Words in explanation or notes; "in quotes" for an exact phrase, -word to exclude a word; '
        "filters such as status:pending, host:web1, p<0.01, -tag:noise, since:2h"
    )
    ordering = ("-timestamp", "-id")
    paginator = CappedPaginator
    actions = ACTIONS

    def get_urls(self) -> list[URLPattern]:
        """Return every address below the list: ours first, then Django's."""
        one = "<path:object_id>"
        ours = [
            path("filters/", SavedFiltersView.as_view(), name="anomalies_anomaly_filters"),
            path("columns/", ColumnsView.as_view(), name="anomalies_anomaly_columns"),
            path("arrivals/", ArrivalsView.as_view(), name="anomalies_anomaly_arrivals"),
            path("queue/", QueueView.as_view(), name="anomalies_anomaly_queue"),
            path("export/csv/", ExportView.as_view(format_name="csv"), name="anomalies_anomaly_export_csv"),
            path(
                "export/jsonl/",
                ExportView.as_view(format_name="jsonl"),
                name="anomalies_anomaly_export_jsonl",
            ),
            path("bulk/<str:key>/", AllMatchingView.as_view(), name="anomalies_anomaly_bulk"),
            path("stored/", StoredView.as_view(), name="anomalies_anomaly_stored"),
            path("undo/<path:undone>/", UndoView.as_view(), name="anomalies_anomaly_undo"),
            path(f"{one}/assign/", AssignView.as_view(), name="anomalies_anomaly_assign"),
            path(f"{one}/snooze/", SnoozeView.as_view(), name="anomalies_anomaly_snooze"),
            path(f"{one}/wake/", WakeView.as_view(), name="anomalies_anomaly_wake"),
            path(f"{one}/comment/", CommentView.as_view(), name="anomalies_anomaly_comment"),
            path(f"{one}/viewers/", ViewersView.as_view(), name="anomalies_anomaly_viewers"),
            path(f"{one}/evidence/", BundleView.as_view(), name="anomalies_anomaly_evidence"),
            path(f"{one}/change/", DecisionView.as_view(), name="anomalies_anomaly_change"),
        ]
        return [*ours, *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return whether the actions are offered, and carried out."""
        return permissions.can_decide(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AnomalyChangeList]:
        return AnomalyChangeList

    def get_queryset(self, request: HttpRequest) -> AnomalyQuerySet:
        return Anomaly.objects.for_list()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; selecting an incident selects its anomalies."""
        tick_members(request)
        may_decide = permissions.can_decide(request.user)
        context = {
            "zone": zone_name(),
            "batch": new_batch(),
            "may_decide": may_decide,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def response_action(self, request: HttpRequest, queryset: QuerySet[Anomaly], **where: Any) -> Any:
        """Carry out an action, with a message instead of an error page for ids that are none.

        Django 6.1 says ``where`` the action was chosen: on the list or on a form.
        """
        try:
            return super().response_action(request, queryset, **where)
        except ValidationError:
            self.message_user(request, _("The selection contains an invalid id."), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
