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

from anomalies.ingest.heartbeats import DetectorState
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

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
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
            "state": one.state,
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
        _shares("streams", "Acknowledged per stream", decisions, decisions.by_stream, _of_stream),
        _shares("tags", "Acknowledged per tag", decisions, decisions.by_tag, _of_tag),
        _shares("configs", "Acknowledged per config", decisions, decisions.by_config, _of_config),
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
        name = Stream(stream).label
        rows.append((name, [(status.value, float(counts.get(status, 0))) for status in OPEN], f"{waits:,}"))
        cells = [Link(f"{counts.get(each, 0):,}", _list(stream=stream, status=each)) for each in Status]
        body.append([Link(name, _list(stream=stream)), *cells])
    totals = {status: sum(counts.get(status, 0) for counts in found.waiting.values()) for status in OPEN}
    full = max(sum(value for _, value in parts) for _, parts, _ in rows)
    return Chart(
        "waiting",
        "Waiting",
        f"{totals[Status.PENDING]:,} pending, {totals[Status.INVESTIGATING]:,} investigating.",
        _list(status=list(OPEN)),
        legend=[(status.value, status.label) for status in OPEN],
        head=["Stream", *(str(status.label) for status in Status)],
        body=body,
        drawing=bars(rows, full),
    )


def backlog_trend(found: Overview) -> Chart:
    """Return the chart of the backlog over the last days."""
    trend = found.trend
    if not trend:
        return Chart(
            "trend", "Backlog", f"The newest {NEWEST:,} decisions do not go back to a time before now."
        )
    labels = ["", *(_day_label(before.at, each.at) for before, each in pairwise(trend))]
    body = [[Link(_moment_label(each.at)), Link(f"{each.count:,}")] for each in trend]
    return Chart(
        "trend",
        "Backlog",
        _change(trend, found),
        _list(status=list(OPEN)),
        note=_newest(found.decisions) if len(trend) <= TREND // STEP else "",
        head=["At", "Open"],
        body=body[::-1],
        drawing=columns([each.count for each in trend], labels, [f"{at.text}: {n.text}" for at, n in body]),
    )


def _change(trend: list[Open], found: Overview) -> str:
    """Return the backlog in words, with its change over a day as far as that is known."""
    now, day = trend[-1].count, timedelta(days=1) // STEP
    words = f"{now:,} open {_until(found)}"
    if len(trend) <= day:
        return f"{words}."
    change = now - trend[-1 - day].count
    if not change:
        return f"{words}, as many as 24 hours before."
    return f"{words}, {abs(change):,} {'more' if change > 0 else 'fewer'} than 24 hours before."


def _day_label(before: datetime, at: datetime) -> str:
    """Return the day for the first column that ends on it."""
    day = timezone.localtime(at)
    return "" if timezone.localtime(before).date() == day.date() else f"{day:%a}\n{day:%d}"


def _moment_label(at: datetime) -> str:
    return f"{timezone.localtime(at):%a %d %b %H:%M}{zone_mark(at)}"


def _hourly(found: Overview) -> Chart:
    hours = found.hours
    total, expected = sum(hour.found for hour in hours), sum(hour.expected for hour in hours)
    labels = [_hour_label(hour.start) if number % 12 == 0 else "" for number, hour in enumerate(hours)]
    known = any(hour.expected for hour in hours)
    chance = f"up to {expected:,.0f} windows by chance" if known else "no detector run is recorded"
    body = [
        [
            Link(
                _moment_label(hour.start),
                _list(since=_moment(hour.start), until=_moment(hour.start + HOUR)),
            ),
            Link(f"{hour.found:,}"),
            Link(f"{hour.expected:,.1f}" if known else "–"),
        ]
        for hour in reversed(hours)
    ]
    return Chart(
        "hours",
        "Anomalies per hour",
        f"{total:,} in 48 hours until {_until(found)}; {chance}.",
        _list(since=_moment(hours[0].start), until=_moment(hours[-1].start + HOUR)),
        legend=[("bar", "found"), *([("chance", "expected by chance, at most")] if known else [])],
        head=["Hour from", "Found", "By chance ≤"],
        body=body,
        drawing=columns(
            [hour.found for hour in hours],
            labels,
            [f"{when.text}: {count.text}" for when, count, _ in reversed(body)],
            [hour.expected for hour in hours] if known else (),
        ),
    )


def _hour_label(start: datetime) -> str:
    local = timezone.localtime(start)
    return f"{local:%H:%M}\n{local:%a %d}"


def _until(found: Overview) -> str:
    end = found.until + HOUR
    return "now" if end > timezone.now() else f"{timezone.localtime(end):%Y-%m-%d %H:%M}"


def _week(found: Overview) -> Chart:
    rows = list(zip(_DAYS, found.week, strict=True))
    most = max(
        (value, day, hour) for day, (_, values) in enumerate(rows) for hour, value in enumerate(values)
    )
    total = sum(map(sum, found.week))
    summary = f"{total:,} in the {WEEKS} weeks until {_until(found)}."
    if total:
        summary += f" Most on {_DAYS[most[1]]} at {most[2]:02}:00: {most[0]:,}."
    since = found.until - timedelta(weeks=WEEKS) + HOUR
    return Chart(
        "week",
        "By weekday and hour",
        summary,
        _list(since=_moment(since), until=_moment(found.until + HOUR)),
        legend=[("heat-1", "few"), ("heat-3", ""), ("heat-5", "many")] if total else [],
        head=["", *(f"{hour:02}" for hour in range(24))],
        body=[[Link(day), *(Link(f"{value:,}") for value in values)] for day, values in rows],
        drawing=heat(rows, [f"{hour:02}" if hour % 3 == 0 else "" for hour in range(24)]),
    )


def _newest(decisions: Decisions) -> str:
    return f"Based on the newest {NEWEST:,} decisions." if decisions.count >= NEWEST else ""


def _waits(decisions: Decisions) -> Chart:
    if decisions.median is None or decisions.p90 is None:
        return Chart("waits", "Time to decision", "No decisions yet.")
    summary = f"Median {duration(decisions.median)}, 90% within {duration(decisions.p90)} of arrival."
    labels = ["\n".join(name.rsplit(" ", 1)) for _, name in BINS]
    tips = [f"{name}: {count:,}" for (_, name), count in zip(BINS, decisions.waits, strict=True)]
    drawn = columns([float(count) for count in decisions.waits], labels, tips)
    body = [[Link(name), Link(f"{n:,}")] for (_, name), n in zip(BINS, decisions.waits, strict=True)]
    return Chart(
        "waits",
        "Time to decision",
        summary,
        _list(status=[Status.ACKNOWLEDGED, Status.DISMISSED]),
        note=_newest(decisions),
        head=["Within", "Decisions"],
        body=body,
        drawing=drawn,
    )


def _shares(key: str, title: str, decisions: Decisions, shares: list[Share], url_of: Any) -> Chart:
    if not shares:
        return Chart(key, title, "No decisions yet.")

    def name_of(share: Share) -> str:
        labels = dict(Stream.choices) if key == "streams" else {}
        return str(labels.get(share.name) or visible(share.name, 60))

    rows, body = [], []
    for share in shares[:8]:
        name = name_of(share)
        behind = f"{share.part:.0%} of {share.decided:,}"
        parts = [("acknowledged", share.part), ("dismissed", 1 - share.part)]
        rows.append((name, parts, behind))
        cells = (f"{share.acknowledged:,}", f"{share.decided:,}", f"{share.part:.0%}")
        body.append([Link(name, url_of(share.name)), *map(Link, cells)])
    first = shares[0]
    return Chart(
        key,
        title,
        f"{name_of(first)}: {first.part:.0%} of {first.decided:,} decisions acknowledged.",
        _list(status=Status.ACKNOWLEDGED),
        note=_newest(decisions),
        legend=[("acknowledged", "acknowledged"), ("dismissed", "dismissed")],
        head=["", "Acknowledged", "Decided", "Share"],
        body=body,
        drawing=bars(rows, 1.0),
    )
