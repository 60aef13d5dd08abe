"""The page "Performance": how long requests, jobs, ingests and detections took, and which failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages import formats
from anomalies.models import PerformanceMetric
from anomalies.permissions import can_see_overview
from anomalies.queries.performance.report import ROWS, Report, Timed, report
from anomalies.queries.performance.timings import LONGEST

from .ui import formatting as show
from .ui.tables import Cell, Table
from .views import DeskView

PAGE = "admin:anomalies_performancemetric_performance"
_PRESETS = {
    "1": gettext_lazy("Last hour"),
    "24": gettext_lazy("Last 24 hours"),
    "168": gettext_lazy("Last 7 days"),
}
_NAME, _ERROR = 100, 120  # characters shown


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
                "title": _("Performance"),
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
        return Table(key, title, tuple(columns), rows, numbers, note)

    names = (_("A minute"), _("Count"), _("Events"), _("Failed"), _("Median"), _("95% within"), _("Longest"))
    numbers = frozenset(names)
    durations: dict[str, Callable[[Timed], Cell]] = {
        _("Median"): lambda one: _duration(one.percentile(0.5)),
        _("95% within"): lambda one: _duration(one.percentile(0.95)),
        _("Longest"): lambda one: _duration(one.longest),
    }
    failures: dict[str, Callable[[Timed], Cell]] = {
        _("Failed"): lambda one: _failed(one),
        _("Last error"): lambda one: show.visible(one.error, _ERROR) or "–",
    }
    last: dict[str, Callable[[Timed], Cell]] = {
        _("Last"): lambda one: show.moment(one.last) if one.last else "–"
    }
    requests = {
        _("Request"): _name,
        _("Count"): lambda one: formats.count(one.count),
        _("A minute"): lambda one: formats.number_text(f"{one.count / found.minutes:,.1f}"),
        **durations,
        **failures,
    }
    jobs = {
        _("Job"): _name,
        _("Count"): lambda one: formats.count(one.count),
        **durations,
        **failures,
        **last,
    }
    runs = {
        _("Source"): _name,
        _("Count"): lambda one: formats.count(one.count),
        _("Events"): lambda one: formats.count(one.amount),
        **durations,
        **failures,
        **last,
    }
    about = {"minutes": f"{LONGEST / 60:.0f}", "most": ROWS}
    of_requests = _(
        "By method and route; stored every %(minutes)s minutes by each process; at most %(most)s, those that "
        "took most time first."
    )
    of_jobs = _("Each step of a job; stored every %(minutes)s minutes by each process.")
    of_runs = _("One run of detect over a source; at most %(most)s, those that took most time first.")
    of_ingests = _("One run of ingest; at most %(most)s, those that took most time first.")
    return [
        table("requests", _("Requests"), requests, of_requests % about, "request"),
        table("jobs", _("Jobs of the workers"), jobs, of_jobs % about, "job"),
        table("detections", _("Detections"), runs, of_runs % about, "detection"),
        table("ingests", _("Ingests"), runs, of_ingests % about, "ingest"),
    ]


def _failed(one: Timed) -> Cell:
    if not one.failed:
        return "0"
    return f"{formats.count(one.failed)} ({formats.share(one.failed / one.count, 1)})"


def _name(one: Timed) -> Cell:
    return show.visible(one.name, _NAME) or "–"


def _duration(seconds: float | None) -> str:
    """Format a duration from a millisecond to days."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    return f"{show.number(seconds, 1)} s" if seconds < 60 else show.duration(seconds)
