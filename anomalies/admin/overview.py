"""The start page: the overview above Django's index, for those who may see anomalies and statistics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.ingest.heartbeats import DetectorState
from anomalies.languages import formats
from anomalies.local_times import zone_mark
from anomalies.models import OPEN, Status, Stream, TriageRule
from anomalies.permissions import can_see_overview, can_see_shifts
from anomalies.queries import hourly_rollup
from anomalies.queries.overview import (
    BINS,
    HOUR,
    STEP,
    TREND,
    WEEKS,
    Decisions,
    Open,
    Overview,
    Share,
    overview,
)
from anomalies.queries.stats import NEWEST
from anomalies.work.heartbeats import WorkerState, without_worker

from .rules import words
from .start import RULES, StartReads, beginning
from .ui.charts import Chart, Link, bars, columns, heat
from .ui.formatting import duration, moment, visible, zone_name

DETECTOR_STATES = {
    "running": gettext_lazy("running"),
    "silent": gettext_lazy("silent"),
    "stopped": gettext_lazy("stopped"),
    "overdue": gettext_lazy("overdue"),
}
_DETECTORS = 12  # shown; those that need attention come first


class OverviewSite(AdminSite):
    """Django's admin site with the overview as its start page."""

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show Django's index with the overview above it."""
        if not can_see_overview(request.user):
            return super().index(request, extra_context)
        found = overview()
        reads = StartReads.of(request, timezone.now())
        answers = reads.answers()
        context: dict[str, Any] = {
            "zone": zone_name(),
            "may_see_shifts": can_see_shifts(request.user),
            **beginning(request, reads, answers),
            "is_built": found is not None,
            "is_empty": found and found.is_empty,
            **_detectors(answers[reads.detectors]),
            **_stopped_rules(answers[reads.rules], answers[reads.templates]),
            "jobs_without_worker": _without_worker(answers[reads.workers]),
        }
        if found and not found.is_empty:
            context["trend"] = backlog_trend(found)
            context["charts"] = charts(found)
        if found and found.has_many_deltas:
            hourly_rollup.fold_if_allowed()
        response = super().index(request, {**context, **(extra_context or {})})
        response.template_name = "admin/overview.html"
        return response


def _detectors(found: list[DetectorState]) -> dict[str, Any]:
    """Return the detectors that follow a source, as far as they are shown, and the number of all others."""
    shown = [
        {
            "state": DETECTOR_STATES.get(one.state, one.state),
            "name": visible(one.name, 160),
            "message": visible(one.message, 300),
            "reported": moment(one.reported_at),
        }
        for one in found[:_DETECTORS]
    ]
    return {"detectors": shown, "more_detectors": len(found) - len(shown)}


def _without_worker(found: list[WorkerState]) -> list[dict[str, str]]:
    """Return the background jobs that no worker runs any more."""
    jobs = without_worker(found).items()
    return [{"name": visible(job, 60), "reported": moment(when)} for job, when in jobs]


def _stopped_rules(found: list[TriageRule], known: dict[UUID, str]) -> dict[str, Any]:
    """Return the rules that stopped by themselves in the last days, as far as they are shown."""
    shown = [
        {"subject": words.subject(rule, known), "state": words.state(rule), "when": moment(rule.stopped_at)}
        for rule in found[:RULES]
    ]
    return {"stopped_rules": shown, "more_stopped_rules": len(found) > RULES}


def charts(found: Overview) -> list[Chart]:
    """Return the charts of the page, in their order."""
    decisions = found.decisions
    return [
        _waiting(found),
        _hourly(found),
        _week(found),
        _waits(decisions),
        _shares("streams", _("Acknowledged per stream"), decisions, decisions.by_stream, _of_stream),
        _shares("tags", _("Acknowledged per tag"), decisions, decisions.by_tag, _of_tag),
        _shares("configs", _("Acknowledged per config"), decisions, decisions.by_config, _of_config),
    ]


# --- links -------------------------------------------------------------------------------------------------


def _list(**filters: Any) -> str:
    address = reverse("admin:anomalies_anomaly_changelist")
    return f"{address}?{urlencode(filters, doseq=True)}" if filters else address


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _of_stream(name: str) -> str:
    return _list(stream=name, status=[Status.ACKNOWLEDGED, Status.DISMISSED])


def _of_tag(name: str) -> str:
    # The filter separates tags by commas, so a tag that contains one has no link.
    return "" if "," in name else _list(tags_any=name, status=[Status.ACKNOWLEDGED, Status.DISMISSED])


def _of_config(name: str) -> str:
    number = name.rpartition(" ")[2]
    return reverse("admin:anomalies_detectionconfig_change", args=[number]) if number.isdigit() else ""


# --- charts ------------------------------------------------------------------------------------------------


def _waiting(found: Overview) -> Chart:
    rows, body = [], []
    for stream, counts in found.waiting.items():
        waits = sum(counts.get(status, 0) for status in OPEN)
        name = str(Stream(stream).label)
        rows.append(
            (name, [(status.value, float(counts.get(status, 0))) for status in OPEN], formats.count(waits))
        )
        cells = [
            Link(formats.count(counts.get(each, 0)), _list(stream=stream, status=each)) for each in Status
        ]
        body.append([Link(name, _list(stream=stream)), *cells])
    totals = {status: sum(counts.get(status, 0) for counts in found.waiting.values()) for status in OPEN}
    full = max(sum(value for _status, value in parts) for _name, parts, _count in rows)
    return Chart(
        "waiting",
        _("Waiting"),
        _("%(pending)s pending, %(investigating)s investigating.")
        % {status.value: formats.count(number) for status, number in totals.items()},
        _list(status=list(OPEN)),
        legend=[(status.value, str(status.label)) for status in OPEN],
        head=[_("Stream"), *(str(status.label) for status in Status)],
        body=body,
        drawing=bars(rows, full),
    )


def backlog_trend(found: Overview) -> Chart:
    """Return the chart of the backlog over the last days."""
    trend = found.trend
    if not trend:
        return Chart(
            "trend",
            _("Backlog"),
            _("The newest %(count)s decisions do not go back to a time before now.")
            % {"count": formats.count(NEWEST)},
        )
    labels = ["", *(_day_label(before.at, each.at) for before, each in pairwise(trend))]
    body = [[Link(_moment_label(each.at)), Link(formats.count(each.count))] for each in trend]
    return Chart(
        "trend",
        _("Backlog"),
        _change(trend, found),
        _list(status=list(OPEN)),
        note=_newest(found.decisions) if len(trend) <= TREND // STEP else "",
        head=[_("At"), _("Open")],
        body=body[::-1],
        drawing=columns([each.count for each in trend], labels, [f"{at.text}: {n.text}" for at, n in body]),
    )


def _change(trend: list[Open], found: Overview) -> str:
    """Return the backlog in words, with its change over a day as far as that is known."""
    now, day = trend[-1].count, timedelta(days=1) // STEP
    about = {"count": formats.count(now), "when": _until(found)}
    if len(trend) <= day:
        return _("%(count)s open %(when)s.") % about
    change = now - trend[-1 - day].count
    about["change"] = formats.count(abs(change))
    if not change:
        return _("%(count)s open %(when)s, as many as 24 hours before.") % about
    if change > 0:
        return _("%(count)s open %(when)s, %(change)s more than 24 hours before.") % about
    return _("%(count)s open %(when)s, %(change)s fewer than 24 hours before.") % about


def _day_label(before: datetime, at: datetime) -> str:
    """Return the day for the first column that ends on it."""
    day = timezone.localtime(at)
    return "" if timezone.localtime(before).date() == day.date() else f"{formats.weekday(day)}\n{day:%d}"


def _moment_label(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{formats.weekday_and_day(local)} {formats.clock_minute(local)}{zone_mark(at)}"


def _hourly(found: Overview) -> Chart:
    hours = found.hours
    total, expected = sum(hour.found for hour in hours), sum(hour.expected for hour in hours)
    labels = [_hour_label(hour.start) if number % 12 == 0 else "" for number, hour in enumerate(hours)]
    known = any(hour.expected for hour in hours)
    about = {"count": formats.count(total), "when": _until(found), "expected": formats.count(expected)}
    by_chance = _("%(count)s in 48 hours until %(when)s; up to %(expected)s windows by chance.")
    unknown = _("%(count)s in 48 hours until %(when)s; no detector run is recorded.")
    body = [
        [
            Link(
                _moment_label(hour.start),
                _list(since=_moment(hour.start), until=_moment(hour.start + HOUR)),
            ),
            Link(formats.count(hour.found)),
            Link(formats.number_text(f"{hour.expected:,.1f}") if known else "–"),
        ]
        for hour in reversed(hours)
    ]
    return Chart(
        "hours",
        _("Anomalies per hour"),
        (by_chance if known else unknown) % about,
        _list(since=_moment(hours[0].start), until=_moment(hours[-1].start + HOUR)),
        legend=[("bar", _("found")), *([("chance", _("expected by chance, at most"))] if known else [])],
        head=[_("Hour from"), _("Found"), _("By chance ≤")],
        body=body,
        drawing=columns(
            [hour.found for hour in hours],
            labels,
            [f"{when.text}: {count.text}" for when, count, __ in reversed(body)],
            [hour.expected for hour in hours] if known else (),
        ),
    )


def _hour_label(start: datetime) -> str:
    local = timezone.localtime(start)
    return f"{formats.clock_minute(local)}\n{formats.weekday(local)} {local:%d}"


def _until(found: Overview) -> str:
    end = found.until + HOUR
    return _("now") if end > timezone.now() else formats.date_and_minute(timezone.localtime(end))


def _week(found: Overview) -> Chart:
    days = [str(name) for name in WEEKDAYS_ABBR.values()]
    rows = list(zip(days, found.week, strict=True))
    most = max(
        (value, day, hour) for day, (__, values) in enumerate(rows) for hour, value in enumerate(values)
    )
    total = sum(map(sum, found.week))
    about = {"count": formats.count(total), "weeks": WEEKS, "when": _until(found)}
    summary = _("%(count)s in the %(weeks)s weeks until %(when)s.") % about
    if total:
        at_most = {"day": days[most[1]], "hour": f"{most[2]:02}", "count": formats.count(most[0])}
        summary += " " + _("Most on %(day)s at %(hour)s:00: %(count)s.") % at_most
    since = found.until - timedelta(weeks=WEEKS) + HOUR
    return Chart(
        "week",
        _("By weekday and hour"),
        summary,
        _list(since=_moment(since), until=_moment(found.until + HOUR)),
        legend=[("heat-1", _("few")), ("heat-3", ""), ("heat-5", _("many"))] if total else [],
        head=["", *(f"{hour:02}" for hour in range(24))],
        body=[[Link(day), *(Link(formats.count(value)) for value in values)] for day, values in rows],
        drawing=heat(rows, [f"{hour:02}" if hour % 3 == 0 else "" for hour in range(24)]),
    )


def _newest(decisions: Decisions) -> str:
    words = _("Based on the newest %(count)s decisions.") % {"count": formats.count(NEWEST)}
    return words if decisions.count >= NEWEST else ""


def _waits(decisions: Decisions) -> Chart:
    if decisions.median is None or decisions.p90 is None:
        return Chart("waits", _("Time to decision"), _("No decisions yet."))
    about = {"median": duration(decisions.median), "p90": duration(decisions.p90)}
    summary = _("Median %(median)s, 90%% within %(p90)s of arrival.") % about
    labels = ["\n".join(name.rsplit(" ", 1)) for __, name in BINS]
    tips = [
        f"{name}: {formats.count(count)}" for (__, name), count in zip(BINS, decisions.waits, strict=True)
    ]
    drawn = columns([float(count) for count in decisions.waits], labels, tips)
    body = [[Link(name), Link(formats.count(n))] for (__, name), n in zip(BINS, decisions.waits, strict=True)]
    return Chart(
        "waits",
        _("Time to decision"),
        summary,
        _list(status=[Status.ACKNOWLEDGED, Status.DISMISSED]),
        note=_newest(decisions),
        head=[_("Within"), _("Decisions")],
        body=body,
        drawing=drawn,
    )


def _config(name: str) -> str:
    """The label of a config in a share of decisions: "config 3", "no config", "earlier ones"."""
    number = name.rpartition(" ")[2]
    if number.isdigit():
        return _("config %(number)s") % {"number": number}
    return {"no config": _("no config"), "earlier ones": _("earlier ones")}.get(name, name)


def _shares(key: str, title: str, decisions: Decisions, shares: list[Share], url_of: Any) -> Chart:
    if not shares:
        return Chart(key, title, _("No decisions yet."))

    def name_of(share: Share) -> str:
        labels = dict(Stream.choices) if key == "streams" else {}
        label = _config(share.name) if key == "configs" else labels.get(share.name)
        return str(label or visible(share.name, 60))

    rows, body = [], []
    for share in shares[:8]:
        name = name_of(share)
        counts = {"share": formats.share(share.part), "count": formats.count(share.decided)}
        behind = _("%(share)s of %(count)s") % counts
        parts = [("acknowledged", share.part), ("dismissed", 1 - share.part)]
        rows.append((name, parts, behind))
        cells = (formats.count(share.acknowledged), formats.count(share.decided), formats.share(share.part))
        body.append([Link(name, url_of(share.name)), *map(Link, cells)])
    first = shares[0]
    return Chart(
        key,
        title,
        _("%(name)s: %(share)s of %(count)s decisions acknowledged.")
        % {
            "name": name_of(first),
            "share": formats.share(first.part),
            "count": formats.count(first.decided),
        },
        _list(status=Status.ACKNOWLEDGED),
        note=_newest(decisions),
        legend=[("acknowledged", _("acknowledged")), ("dismissed", _("dismissed"))],
        head=["", _("Acknowledged"), _("Decided"), _("Share")],
        body=body,
        drawing=bars(rows, 1.0),
    )
