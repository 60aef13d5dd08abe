"""The page "Performance": how long requests, jobs, ingests and detections took, and which failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from anomalies.models import PerformanceMetric
from anomalies.permissions import can_see_overview
from anomalies.queries.performance.report import ROWS, Report, Timed, report
from anomalies.queries.performance.timings import LONGEST

from .ui import formatting as show
from .ui.tables import Cell, Table
from .views import DeskView

PAGE = "admin:anomalies_performancemetric_performance"
_PRESETS = {"1": "Last hour", "24": "Last 24 hours", "168": "Last 7 days"}
_NAME, _ERROR = 100, 120  # characters shown
_NUMBERS = frozenset({"A minute", "Count", "Events", "Failed", "Median", "95% within", "Longest"})


class PerformanceView(DeskView):
    """Shows the report; it changes nothing."""

    permission = staticmethod(can_see_overview)
    model = PerformanceMetric
    template = "admin/anomalies/performancemetric/performance.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the last hours that the address names, by default the last one."""
        hours = request.GET.get("hours", "")
        hours = hours if hours in _PRESETS else next(iter(_PRESETS))
        now = timezone.now()
        found = report(now - timedelta(hours=int(hours)), now)
        presets = [
            {"words": words, "url": f"{reverse(PAGE)}?hours={value}", "is_chosen": value == hours}
            for value, words in _PRESETS.items()
        ]
        return self.render(
            {
                "title": "Performance",
                "presets": presets,
                "span": format_html("{} – {}", show.absolute(found.since), show.absolute(found.until)),
                "zone": show.zone_name(),
                "is_on": settings.TIMINGS,
                "reached": found.reached and show.absolute(found.reached),
                "tables": _tables(found),
            }
        )


def _tables(found: Report) -> list[Table]:
    def table(
        key: str, title: str, columns: dict[str, Callable[[Timed], Cell]], note: str, *kinds: str
    ) -> Table:
        rows = [tuple(cell(one) for cell in columns.values()) for one in found.of(*kinds)]
        return Table(key, title, tuple(columns), rows, _NUMBERS, note)

    durations: dict[str, Callable[[Timed], Cell]] = {
        "Median": lambda one: _duration(one.percentile(0.5)),
        "95% within": lambda one: _duration(one.percentile(0.95)),
        "Longest": lambda one: _duration(one.longest),
    }
    failures: dict[str, Callable[[Timed], Cell]] = {
        "Failed": lambda one: f"{one.failed:,} ({one.failed / one.count:.1%})" if one.failed else "0",
        "Last error": lambda one: show.visible(one.error, _ERROR) or "–",
    }
    last: dict[str, Callable[[Timed], Cell]] = {
        "Last": lambda one: show.moment(one.last) if one.last else "–"
    }
    requests = {
        "Request": _name,
        "Count": lambda one: f"{one.count:,}",
        "A minute": lambda one: f"{one.count / found.minutes:,.1f}",
        **durations,
        **failures,
    }
    jobs = {"Job": _name, "Count": lambda one: f"{one.count:,}", **durations, **failures, **last}
    runs = {
        "Source": _name,
        "Count": lambda one: f"{one.count:,}",
        "Events": lambda one: f"{one.amount:,}",
        **durations,
        **failures,
        **last,
    }
    stored = f"stored every {LONGEST / 60:.0f} minutes by each process"
    most = f"at most {ROWS}, those that took most time first"
    return [
        table("requests", "Requests", requests, f"By method and route; {stored}; {most}.", "request"),
        table("jobs", "Jobs of the workers", jobs, f"Each step of a job; {stored}.", "job"),
        table("detections", "Detections", runs, f"One run of detect over a source; {most}.", "detection"),
        table("ingests", "Ingests", runs, f"One run of ingest; {most}.", "ingest"),
    ]


def _name(one: Timed) -> Cell:
    return show.visible(one.name, _NAME) or "–"


def _duration(seconds: float | None) -> str:
    """Format a duration from a millisecond to days."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else show.duration(seconds)
