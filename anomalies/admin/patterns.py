"""The list of patterns: what anomalies have in common, how many are undecided, and the way to decide them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.languages import formats
from anomalies.models import OPEN, Anomaly, DismissalReason, Pattern, PatternQuerySet, Status, Stream
from anomalies.permissions import can_make_rules
from anomalies.queries import hourly_rollup
from anomalies.queries.patterns import recent
from anomalies.queries.patterns.rules import active_rules_of, proposals

from .decide.pattern import ACTIONS, PatternDecisionView
from .model_admin import AnyModelAdmin
from .read_only import ReadOnlyAdmin
from .rules.words import new_rule_about
from .ui import formatting as show
from .ui.addresses import anomalies_of
from .ui.sparkline import sparkline

_STATUSES = (Status.PENDING, Status.INVESTIGATING, Status.ACKNOWLEDGED, Status.DISMISSED)


class StreamFilter(admin.SimpleListFilter):
    """By stream."""

    title, parameter_name = gettext_lazy("stream"), "stream_type"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [(stream.value, str(stream.label)) for stream in Stream]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(stream_type=self.value()) if self.value() else queryset


class OpenFilter(admin.SimpleListFilter):
    """By whether anomalies of the pattern are undecided."""

    title, parameter_name = gettext_lazy("state"), "open"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> list[tuple[str, str]]:
        return [("yes", _("with undecided anomalies")), ("no", _("all decided"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> PatternQuerySet:
        patterns: PatternQuerySet = queryset
        return patterns.open(self.value() == "yes") if self.value() in ("yes", "no") else patterns


class PatternChangeList(ChangeList):
    """Django's changelist; each row has its newest anomalies and its activity."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and what its rows show beside the counts."""
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count  # so that no link offers to show all
        patterns = list(self.result_list)
        examples, shown = recent.newest(patterns), recent.activity(patterns)
        may_decide = permissions.can_decide(request.user)
        for pattern in patterns:
            pattern.examples = examples[pattern.key]
            pattern.activity = shown
            pattern.decide = self._decide(pattern) if may_decide and open_in(pattern) else ""
        self.result_list = patterns

    def _decide(self, pattern: Pattern) -> str:
        """The address to which a decision about the pattern is sent, with this list's filter."""
        address = reverse("admin:anomalies_pattern_decide", args=[pattern.key])
        query = self.get_query_string()[1:]
        return f"{address}?{urlencode({'_changelist_filters': query})}" if query else address


@admin.register(Pattern)
class PatternAdmin(ReadOnlyAdmin):
    """Patterns, those with most pending anomalies first; one opens in place and is decided as a whole.

    The decision is about all of its open anomalies, with a preview and an undo, like any other selection.
    """

    list_display = ("what", "activity", "where", "open_count", "decided", "first", "last")
    list_display_links = None
    list_filter = (OpenFilter, StreamFilter)
    list_per_page = 25
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("template", "source")
    ordering = ("-pending", "key")
    sortable_by = ("open_count", "last")

    def get_urls(self) -> list[URLPattern]:
        decide = path("<path:key>/decide/", PatternDecisionView.as_view(), name="anomalies_pattern_decide")
        return [decide, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PatternChangeList]:
        return PatternChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out patterns whose anomalies were all deleted; each has the end of its rule."""
        found: Any = super().get_queryset(request)
        ends = active_rules_of(OuterRef("key")).values("expires_at")[:1]
        with_rules: QuerySet[Any] = found.with_anomalies().annotate(rule_ends=Subquery(ends))
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
        context = {"proposals": proposed, "may_decide": permissions.can_decide(request.user)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the anomalies of the pattern."""
        return redirect(anomalies_of(object_id))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(f"anomalies.view_{Anomaly._meta.model_name}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=gettext_lazy("Pattern"))
    def what(self, row: Any) -> SafeString:
        """The template and a line of evidence; opened, its newest anomalies and the decision."""
        counts = [
            (
                str(status.label).lower(),
                formats.count(getattr(row, status.value)),
                anomalies_of(row.key, status),
            )
            for status in _STATUSES
        ]
        context = {
            "template": show.visible(row.template, 240),
            "evidence": show.first_line(row.examples[0].headline) if row.examples else "",
            "examples": [_example(each) for each in row.examples],
            "counts": counts,
            "actions": ACTIONS if row.decide else (),
            "decide": row.decide,
        }
        return render_to_string("admin/anomalies/pattern/row.html", context)

    @admin.display(description=gettext_lazy("Activity"))
    def activity(self, row: Any) -> SafeString | str:
        return sparkline(row.activity, row.key) if row.activity else "–"

    @admin.display(description=gettext_lazy("Source"))
    def where(self, row: Any) -> SafeString:
        """The source, or a dash; the stream, and the hosts of the newest anomalies."""
        stream = str(dict(Stream.choices).get(row.stream_type, show.visible(row.stream_type, 60)))
        hosts = dict.fromkeys(each.host for each in row.examples if each.host not in ("", row.source))
        words = ", ".join([stream, *(show.visible(host, 60) for host in hosts)])
        return format_html('{}<br><span class="help">{}</span>', show.visible(row.source, 120) or "–", words)

    @admin.display(description=gettext_lazy("Open"), ordering="pending")
    def open_count(self, row: Pattern) -> SafeString | str:
        """The number of undecided anomalies, with a link to them."""
        waits = [status for status in OPEN if getattr(row, status.value)]
        if not waits:
            return "0"
        return format_html('<a href="{}">{}</a>', anomalies_of(row.key, *waits), formats.count(open_in(row)))

    @admin.display(description=gettext_lazy("Decided"))
    def decided(self, row: Pattern) -> SafeString | str:
        """The share of anomalies that are decided, with their number on hover."""
        everything = sum(getattr(row, status.value) for status in _STATUSES)
        done = everything - open_in(row)
        share = "–" if everything <= 0 else formats.percent_text(f"{100 * done // everything}")
        counts = {"done": formats.count(done), "all": formats.count(everything)}
        return format_html('<span title="{}">{}</span>', _("%(done)s of %(all)s") % counts, share)

    @admin.display(description=gettext_lazy("First seen"))
    def first(self, row: Pattern) -> SafeString | str:
        return show.moment(row.first_seen)

    @admin.display(description=gettext_lazy("Last seen"), ordering="last_seen")
    def last(self, row: Pattern) -> SafeString | str:
        return show.moment(row.last_seen)

    @admin.display(description=gettext_lazy("Rule"))
    def rule(self, row: Any) -> SafeString | str:
        if row.rule_ends is None:
            return "–"
        address = reverse("admin:anomalies_triagerule_changelist")
        until = format_html(_("until {}"), show.absolute(row.rule_ends))
        return format_html('<a href="{}?state=active">{}</a>', address, until)

    @admin.display(description=gettext_lazy("Rule"))
    def rule_or_new(self, row: Any) -> SafeString | str:
        if row.rule_ends is not None:
            return self.rule(row)
        return format_html('<a href="{}">{}</a>', new_rule_about(row.key), _("New rule"))


def _proposed() -> list[dict[str, Any]]:
    """Return the proposed rules as the page shows them."""
    return [
        {
            "template": show.visible(each.template, 160),
            "source": show.visible(each.source, 60),
            "dismissed": formats.count(each.dismissed),
            "reason": dict(DismissalReason.choices).get(each.reason, each.reason),
            "url": new_rule_about(each.pattern, each.reason),
        }
        for each in proposals()
    ]


def open_in(row: Pattern) -> int:
    """Return the number of a pattern's undecided anomalies."""
    return sum(getattr(row, status.value) for status in OPEN)


def _example(each: recent.Example) -> dict[str, Any]:
    return {
        "link": reverse("admin:anomalies_anomaly_change", args=[each.id]),
        "when": show.moment(each.timestamp),
        "status": show.status_mark(each.status, str(Status(each.status).label)),
        "ncd": show.number(each.ncd_score),
        "host": show.visible(each.host, 60),
        "headline": show.first_line(each.headline),
    }
