"""The list of rules: what each is about, decides and did, with the ways to renew, stop and undo."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from anomalies.models import MOST_DAYS, RuleAction, Status, TriageRule
from anomalies.permissions import can_decide, can_make_rules, can_view
from anomalies.queries.patterns.rules import ACTIVE, templates, with_hits
from anomalies.triage import rules
from anomalies.web.actor import actor_of

from ..model_admin import AnyModelAdmin
from ..read_only import ReadOnlyAdmin
from ..ui import formatting as show
from ..ui.addresses import anomalies_of
from . import words
from .new_rule import NewRuleView

_LIST = "admin:anomalies_triagerule_changelist"


class StateFilter(admin.SimpleListFilter):
    """By state."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [("active", "active"), ("itself", "stopped by itself"), ("ended", "expired or stopped")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "itself":
            return queryset.filter(stopped_at__isnull=False, stopped_by=None)
        if self.value() == "ended":
            return queryset.exclude(ACTIVE)
        return queryset.filter(ACTIVE) if self.value() == "active" else queryset


@admin.register(TriageRule)
class TriageRuleAdmin(ReadOnlyAdmin):
    """The rules, newest first. One is made on a page of its own; nothing of it is edited.

    What a rule did is one decision, which the page of an undo takes back.
    """

    list_display = (
        "about",
        "where",
        "decides",
        "owner",
        "why",
        "expires",
        "until",
        "hit_count",
        "last",
        "state",
    )
    list_display_links = None
    list_filter = (StateFilter,)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-created_at", "id")
    sortable_by = ()
    actions = ("renew", "stop")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_hits(super().get_queryset(request))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "undo") if can_decide(request.user) else self.list_display

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's rows, each with its pattern's template."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        known = templates(rows)
        for row in rows:
            row.subject = words.subject(row, known)
        changes.result_list = rows
        return changes

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return can_view(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_view(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return can_make_rules(request.user)

    def has_make_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may renew and stop rules."""
        return can_make_rules(request.user)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, or make the rule."""
        answer: HttpResponse = NewRuleView.as_view()(request)  # type: ignore[assignment]
        return answer

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: it shows all of a rule."""
        return redirect(_LIST)

    @admin.action(description=f"Renew for {MOST_DAYS} days", permissions=["make"])
    def renew(self, request: HttpRequest, chosen: QuerySet[TriageRule]) -> None:
        """Renew the selected rules about patterns that are not stopped."""
        count = rules.renew([rule.pk for rule in chosen], actor_of(request))
        messages.success(request, f"Renewed for {MOST_DAYS} days: {count:,}.")
        if count < len(chosen):
            skipped = len(chosen) - count
            messages.warning(
                request, f"Skipped, stopped or a maintenance window: {skipped:,}. Make a new rule."
            )

    @admin.action(description="Stop", permissions=["make"])
    def stop(self, request: HttpRequest, chosen: QuerySet[TriageRule]) -> None:
        """Stop the selected rules; what they did stays."""
        count = rules.stop([rule.pk for rule in chosen], actor_of(request))
        messages.success(request, f"Stopped: {count:,}. What a rule did stays until it is undone.")

    @admin.display(description="About")
    def about(self, rule: Any) -> SafeString | str:
        if rule.pattern is None:
            return str(rule.subject)
        return format_html('<a href="{}">{}</a>', anomalies_of(rule.pattern), rule.subject)

    @admin.display(description="Source")
    def where(self, rule: TriageRule) -> str:
        return words.where(rule.stream_type, rule.source)

    @admin.display(description="Decision")
    def decides(self, rule: TriageRule) -> str:
        return words.decision(rule)

    @admin.display(description="Note")
    def why(self, rule: TriageRule) -> str:
        return show.visible(rule.note, 240)

    @admin.display(description="Expires")
    def expires(self, rule: TriageRule) -> SafeString | str:
        return show.absolute(rule.expires_at)

    @admin.display(description="Up to")
    def until(self, rule: TriageRule) -> SafeString | str:
        return words.limits(rule)

    @admin.display(description="Hits")
    def hit_count(self, rule: Any) -> SafeString | str:
        if not rule.hits or rule.pattern is None or rule.action != RuleAction.DISMISS:
            return f"{rule.hits:,}"
        return format_html(
            '<a href="{}">{}</a>', anomalies_of(rule.pattern, Status.DISMISSED), f"{rule.hits:,}"
        )

    @admin.display(description="Last hit")
    def last(self, rule: Any) -> SafeString | str:
        return show.moment(rule.last_hit)

    @admin.display(description="State")
    def state(self, rule: TriageRule) -> str:
        return words.state(rule)

    @admin.display(description="Undo")
    def undo(self, rule: Any) -> SafeString | str:
        if not rule.hits:
            return "–"
        address = reverse("admin:anomalies_anomaly_undo", args=[rule.pk])
        back = urlencode({"next": reverse(_LIST)})
        return format_html('<a href="{}?{}">Undo what it did</a>', address, back)
