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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages import formats
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

    title, parameter_name = gettext_lazy("state"), "state"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [
            ("active", _("active")),
            ("itself", _("stopped by itself")),
            ("ended", _("expired or stopped")),
        ]

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

    @admin.action(description=gettext_lazy("Renew for 90 days"), permissions=["make"])
    def renew(self, request: HttpRequest, chosen: QuerySet[TriageRule]) -> None:
        """Renew the selected rules about patterns that are not stopped."""
        count = rules.renew([rule.pk for rule in chosen], actor_of(request))
        messages.success(
            request,
            _("Renewed for %(days)s days: %(count)s.") % {"days": MOST_DAYS, "count": formats.count(count)},
        )
        if count < len(chosen):
            skipped = len(chosen) - count
            messages.warning(
                request,
                _("Skipped, stopped or a maintenance window: %(count)s. Make a new rule.")
                % {"count": formats.count(skipped)},
            )

    @admin.action(description=gettext_lazy("Stop"), permissions=["make"])
    def stop(self, request: HttpRequest, chosen: QuerySet[TriageRule]) -> None:
        """Stop the selected rules; what they did stays."""
        count = rules.stop([rule.pk for rule in chosen], actor_of(request))
        messages.success(
            request,
            _("Stopped: %(count)s. What a rule did stays until it is undone.")
            % {"count": formats.count(count)},
        )

    @admin.display(description=gettext_lazy("About"))
    def about(self, rule: Any) -> SafeString | str:
        if rule.pattern is None:
            return str(rule.subject)
        return format_html('<a href="{}">{}</a>', anomalies_of(rule.pattern), rule.subject)

    @admin.display(description=gettext_lazy("Source"))
    def where(self, rule: TriageRule) -> str:
        return words.where(rule.stream_type, rule.source)

    @admin.display(description=gettext_lazy("Decision"))
    def decides(self, rule: TriageRule) -> str:
        return words.decision(rule)

    @admin.display(description=gettext_lazy("Note"))
    def why(self, rule: TriageRule) -> str:
        return show.visible(rule.note, 240)

    @admin.display(description=gettext_lazy("Expires"))
    def expires(self, rule: TriageRule) -> SafeString | str:
        return show.absolute(rule.expires_at)

    @admin.display(description=gettext_lazy("Up to"))
    def until(self, rule: TriageRule) -> SafeString | str:
        return words.limits(rule)

    @admin.display(description=gettext_lazy("Hits"))
    def hit_count(self, rule: Any) -> SafeString | str:
        if not rule.hits or rule.pattern is None or rule.action != RuleAction.DISMISS:
            return formats.count(rule.hits)
        return format_html(
            '<a href="{}">{}</a>', anomalies_of(rule.pattern, Status.DISMISSED), formats.count(rule.hits)
        )

    @admin.display(description=gettext_lazy("Last hit"))
    def last(self, rule: Any) -> SafeString | str:
        return show.moment(rule.last_hit)

    @admin.display(description=gettext_lazy("State"))
    def state(self, rule: TriageRule) -> str:
        return words.state(rule)

    @admin.display(description=gettext_lazy("Undo"))
    def undo(self, rule: Any) -> SafeString | str:
        if not rule.hits:
            return "–"
        address = reverse("admin:anomalies_anomaly_undo", args=[rule.pk])
        back = urlencode({"next": reverse(_LIST)})
        return format_html('<a href="{}?{}">{}</a>', address, back, _("Undo what it did"))
