"""The admins of what is read and never edited: database views, metrics, the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import json_column
from anomalies.audit import resource_types
from anomalies.languages import formats
from anomalies.languages.words import resource as named
from anomalies.models import (
    AuditLog,
    PerformanceMetric,
    RecentSignificantAnomaly,
    StreamStatistics,
    StreamStatisticsNow,
)

from .list import columns
from .list.changelist import CappedPaginator
from .model_admin import AnyModelAdmin, DeskAdmin
from .performance import PerformanceView
from .shift import ShiftView
from .ui import formatting as show


class ReadOnlyAdmin(DeskAdmin):
    """An admin that edits nothing; its ``json_columns`` are read as text."""

    json_columns: tuple[str, ...] = ()
    actions: Sequence[Any] | None = None
    paginator = CappedPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return json_column.as_text(super().get_queryset(request), self.json_columns)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under the name of its rows: there is nothing to select."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(RecentSignificantAnomaly)
class RecentSignificantAnomalyAdmin(ReadOnlyAdmin):
    """The 100 newest significant anomalies; a row links to the anomaly."""

    reads_replica = True
    list_display = (
        "when",
        "stream_type",
        "status",
        columns.ncd,
        "p",
        columns.change,
        "headline",
        columns.tags,
    )
    list_display_links = None
    list_max_show_all = list_per_page = 100
    ordering = ("-timestamp", "-id")
    sortable_by = ()

    @admin.display(description=gettext_lazy("When"))
    def when(self, row: RecentSignificantAnomaly) -> SafeString:
        url = reverse("admin:anomalies_anomaly_change", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, show.moment(row.timestamp))

    @admin.display(description=gettext_lazy("p"))
    def p(self, row: RecentSignificantAnomaly) -> SafeString | str:
        return show.p_value(row.p_value)

    @admin.display(description=gettext_lazy("Explanation"))
    def headline(self, row: RecentSignificantAnomaly) -> str:
        return show.first_line(row.glass_box_explanation)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the page of the anomaly itself."""
        return redirect("admin:anomalies_anomaly_change", object_id)


@admin.register(StreamStatistics)
class StreamStatisticsAdmin(ReadOnlyAdmin):
    """The numbers of anomalies found and decided, by stream."""

    reads_replica = True
    list_display = (
        "stream_type",
        "total_anomalies",
        "significant_anomalies",
        "average_ncd",
        "average_p",
        "pending_count",
        "investigating_count",
        "acknowledged_count",
        "dismissed_count",
    )
    list_display_links = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the roll-up: it has the same figures at the same cost for any size of the table."""
        return StreamStatisticsNow.objects.all()

    @admin.display(description=gettext_lazy("average NCD"), ordering="avg_ncd_score")
    def average_ncd(self, row: StreamStatistics) -> str:
        return show.number(row.avg_ncd_score)

    @admin.display(description=gettext_lazy("average p"), ordering="avg_p_value")
    def average_p(self, row: StreamStatistics) -> str:
        return show.p_value(row.avg_p_value)


@admin.register(PerformanceMetric)
class PerformanceMetricAdmin(ReadOnlyAdmin):
    """The durations of requests and jobs."""

    reads_replica = True
    list_display = ("when", "metric_type", "where", "duration_ms", "success", "error")
    list_filter = ("success",)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-timestamp", "-id")
    json_columns = ("metadata",)
    fields = ("when", "metric_type", "where", "duration_ms", "success", "message", "about")

    def get_urls(self) -> list[Any]:
        """Django's own, and the report before them."""
        page = path("performance/", PerformanceView.as_view(), name="anomalies_performancemetric_performance")
        return [page, *super().get_urls()]

    @admin.display(description=gettext_lazy("When"), ordering="timestamp")
    def when(self, row: PerformanceMetric) -> str:
        return show.moment(row.timestamp)

    @admin.display(description=gettext_lazy("Endpoint"), ordering="endpoint")
    def where(self, row: PerformanceMetric) -> str:
        return show.visible(row.endpoint or "–", 120)

    @admin.display(description=gettext_lazy("Error"))
    def error(self, row: PerformanceMetric) -> str:
        return show.visible(row.error_message or "", 160)

    @admin.display(description=gettext_lazy("Error"))
    def message(self, row: PerformanceMetric) -> str:
        return show.visible(row.error_message or "–", 20_000)

    @admin.display(description=gettext_lazy("About"))
    def about(self, row: Any) -> SafeString | str:
        return show.json_block(row.metadata_text)


class ResourceFilter(admin.SimpleListFilter):
    """By resource, without Django's DISTINCT over the whole audit log."""

    title, parameter_name = gettext_lazy("resource type"), "resource_type"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [(name, show.visible(named(name), 60)) for name in resource_types()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    """The audit log: who changed what, when, from where."""

    reads_replica = True
    list_display = ("when", "who", "ip_address", "action", "resource", "changed")
    list_filter = (ResourceFilter,)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-timestamp", "-id")
    json_columns = ("old_values", "new_values", "metadata")
    fields = ("when", "who", "ip_address", "action", "resource", "before", "after", "about")

    def get_urls(self) -> list[URLPattern]:
        shift = path("shift/", ShiftView.as_view(), name="anomalies_auditlog_shift")
        return [shift, *super().get_urls()]

    @admin.display(description=gettext_lazy("When"), ordering="timestamp")
    def when(self, row: AuditLog) -> str:
        return show.moment(row.timestamp)

    @admin.display(description=gettext_lazy("Who"), ordering="username")
    def who(self, row: AuditLog) -> str:
        return show.visible(row.username, 120)

    @admin.display(description=gettext_lazy("What"))
    def resource(self, row: Any) -> str | SafeString:
        if row.resource_type != "anomaly" or row.resource_id is None:
            number = json_column.object_of(row.metadata_text).get("id", "")
            return f"{named(row.resource_type)} {number}".strip()
        url = reverse("admin:anomalies_anomaly_change", args=[row.resource_id])
        return format_html(
            '<a href="{}">{}</a>', url, _("anomaly %(id)s…") % {"id": str(row.resource_id)[:8]}
        )

    @admin.display(description=gettext_lazy("Changed"))
    def changed(self, row: Any) -> str:
        rows = json_column.object_of(row.metadata_text).get("rows")
        return (
            _("%(count)s rows") % {"count": formats.count(rows)}
            if type(rows) is int
            else ", ".join(sorted(json_column.object_of(row.new_values_text)))
        )

    @admin.display(description=gettext_lazy("Before"))
    def before(self, row: Any) -> SafeString | str:
        return show.json_block(row.old_values_text)

    @admin.display(description=gettext_lazy("After"))
    def after(self, row: Any) -> SafeString | str:
        return show.json_block(row.new_values_text)

    @admin.display(description=gettext_lazy("About"))
    def about(self, row: Any) -> SafeString | str:
        return show.json_block(row.metadata_text)
