"""The list of patterns: what anomalies have in common, how many are undecided, and the way to decide them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from anomalies.models import Anomaly, DismissalReason, Pattern, Status, Stream
from anomalies.permissions import can_make_rules
from anomalies.queries import hourly_rollup
from anomalies.queries.patterns.rules import active_rules_of, proposals

from .model_admin import AnyModelAdmin
from .read_only import ReadOnlyAdmin
from .rules.words import new_rule_about
from .ui import formatting as show

_STATUSES = (Status.PENDING, Status.INVESTIGATING, Status.ACKNOWLEDGED, Status.DISMISSED)


def anomalies_of(key: Any, *statuses: str) -> str:
    """Return the address of the list of a pattern's anomalies, of these statuses or of all."""
    address = reverse("admin:anomalies_anomaly_changelist")
    return f"{address}?{urlencode({'pattern': key, 'status': statuses}, doseq=True)}"


class StreamFilter(admin.SimpleListFilter):
    """By stream."""

    title, parameter_name = "stream", "stream_type"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [(stream.value, str(stream.label)) for stream in Stream]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(stream_type=self.value()) if self.value() else queryset


class OpenFilter(admin.SimpleListFilter):
    """By whether anomalies of the pattern are undecided."""

    title, parameter_name = "state", "open"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "with undecided anomalies"), ("no", "all decided")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.exclude(pending=0, investigating=0)
        return queryset.filter(pending=0, investigating=0) if self.value() == "no" else queryset


@admin.register(Pattern)
class PatternAdmin(ReadOnlyAdmin):
    """Patterns, those with most pending anomalies first. A count links to these anomalies in the list.

    There all that match can be decided at once, with a preview and an undo, like any other selection.
    """

    list_display = (
        "what",
        "stream",
        "where",
        *(f"{status.value}_count" for status in _STATUSES),
        "first",
        "last",
    )
    list_display_links = None
    list_filter = (OpenFilter, StreamFilter)
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("template", "source")
    ordering = ("-pending", "key")
    sortable_by = ("pending_count", "last")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out patterns whose anomalies were all deleted; each has the end of its rule."""
        found: QuerySet[Any] = (
            super().get_queryset(request).exclude(**{status.value: 0 for status in _STATUSES})
        )
        ends = active_rules_of(OuterRef("key")).values("expires_at")[:1]
        with_rules: QuerySet[Any] = found.annotate(rule_ends=Subquery(ends))
        return with_rules

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        last = "rule_or_new" if can_make_rules(request.user) else "rule"
        return (*self.list_display, last)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with what is not folded yet; a role that may not write sees it as last folded."""
        hourly_rollup.fold_if_allowed()
        proposed = _proposed() if can_make_rules(request.user) else []
        return super().changelist_view(request, {"proposals": proposed, **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the anomalies of the pattern."""
        return redirect(anomalies_of(object_id))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(f"anomalies.view_{Anomaly._meta.model_name}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description="Pattern")
    def what(self, row: Pattern) -> SafeString:
        waits = [status for status in _STATUSES[:2] if getattr(row, status.value)]
        return format_html(
            '<a href="{}">{}</a>', anomalies_of(row.key, *waits), show.visible(row.template, 240)
        )

    @admin.display(description="Stream")
    def stream(self, row: Pattern) -> str:
        return dict(Stream.choices).get(row.stream_type, show.visible(row.stream_type, 60))

    @admin.display(description="Source")
    def where(self, row: Pattern) -> str:
        return show.visible(row.source, 120) or "–"

    @admin.display(description="Pending", ordering="pending")
    def pending_count(self, row: Pattern) -> SafeString | str:
        return _count(row, Status.PENDING)

    @admin.display(description="Investigating")
    def investigating_count(self, row: Pattern) -> SafeString | str:
        return _count(row, Status.INVESTIGATING)

    @admin.display(description="Acknowledged")
    def acknowledged_count(self, row: Pattern) -> SafeString | str:
        return _count(row, Status.ACKNOWLEDGED)

    @admin.display(description="Dismissed")
    def dismissed_count(self, row: Pattern) -> SafeString | str:
        return _count(row, Status.DISMISSED)

    @admin.display(description="First seen")
    def first(self, row: Pattern) -> SafeString | str:
        return show.moment(row.first_seen)

    @admin.display(description="Last seen", ordering="last_seen")
    def last(self, row: Pattern) -> SafeString | str:
        return show.moment(row.last_seen)

    @admin.display(description="Rule")
    def rule(self, row: Any) -> SafeString | str:
        if row.rule_ends is None:
            return "–"
        address = reverse("admin:anomalies_triagerule_changelist")
        return format_html('<a href="{}?state=active">until {}</a>', address, show.absolute(row.rule_ends))

    @admin.display(description="Rule")
    def rule_or_new(self, row: Any) -> SafeString | str:
        if row.rule_ends is not None:
            return self.rule(row)
        return format_html('<a href="{}">New rule</a>', new_rule_about(row.key))


def _proposed() -> list[dict[str, Any]]:
    """Return the proposed rules as the page shows them."""
    return [
        {
            "template": show.visible(each.template, 160),
            "source": show.visible(each.source, 60),
            "dismissed": f"{each.dismissed:,}",
            "reason": dict(DismissalReason.choices).get(each.reason, each.reason),
            "url": new_rule_about(each.pattern, each.reason),
        }
        for each in proposals()
    ]


def _count(row: Pattern, status: Status) -> SafeString | str:
    number = getattr(row, status.value)
    if not number:
        return "0"
    return format_html('<a href="{}">{}</a>', anomalies_of(row.key, status), f"{number:,}")
