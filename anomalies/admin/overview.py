"""The admin's start page: the overview above what Django shows there.

Who may see anomalies sees it; other staff see Django's own index.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from anomalies.local_times import zone_mark
from anomalies.models import Status, Stream
from anomalies.permissions import can_see_overview
from anomalies.queries import hourly_rollup
from anomalies.queries.overview import BINS, HOUR, WEEKS, Decisions, Overview, Share, overview
from anomalies.queries.stats import NEWEST

from .ui.charts import Link, Picture, bars, columns, heat
from .ui.formatting import visible, zone_name

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OPEN = (Status.PENDING, Status.INVESTIGATING)


class OverviewSite(AdminSite):
    """Django's admin site, begun with the overview."""

    def index(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's own with the overview on top, for whoever may see it."""
        if not can_see_overview(request.user):
            return super().index(request, extra_context)
        found = overview()
        context = {"zone": zone_name(), "is_built": found is not None, "is_empty": found and found.is_empty}
        if found and not found.is_empty:
            context["pictures"] = pictures(found)
        hourly_rollup.fold_if_many()
        response = super().index(request, {**context, **(extra_context or {})})
        response.template_name = "admin/overview.html"
        return response


def pictures(found: Overview) -> list[Picture]:
    """The pictures of the page, in its order."""
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


# --- where a picture leads --------------------------------------------------------------------------------


def _list(**filters: Any) -> str:
    address = reverse("admin:anomalies_anomaly_changelist")
    return f"{address}?{urlencode(filters, doseq=True)}" if filters else address


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _of_stream(name: str) -> str:
    return _list(stream=name, status=[Status.ACKNOWLEDGED, Status.DISMISSED])


def _of_tag(name: str) -> str:
    # The filter takes tags with commas between; one that has a comma itself it can't ask for.
    return "" if "," in name else _list(tags_any=name, status=[Status.ACKNOWLEDGED, Status.DISMISSED])


def _of_config(name: str) -> str:
    number = name.rpartition(" ")[2]
    return reverse("admin:anomalies_detectionconfig_change", args=[number]) if number.isdigit() else ""


# --- the pictures -----------------------------------------------------------------------------------------


def _waiting(found: Overview) -> Picture:
    rows, body = [], []
    for stream, counts in found.waiting.items():
        waits = sum(counts.get(status, 0) for status in _OPEN)
        name = Stream(stream).label
        rows.append((name, [(status.value, float(counts.get(status, 0))) for status in _OPEN], f"{waits:,}"))
        cells = [Link(f"{counts.get(each, 0):,}", _list(stream=stream, status=each)) for each in Status]
        body.append([Link(name, _list(stream=stream)), *cells])
    totals = {status: sum(counts.get(status, 0) for counts in found.waiting.values()) for status in _OPEN}
    full = max(sum(value for _, value in parts) for _, parts, _ in rows)
    return Picture(
        "waiting",
        "Waiting now",
        f"{totals[Status.PENDING]:,} pending, {totals[Status.INVESTIGATING]:,} investigating.",
        _list(status=list(_OPEN)),
        legend=[(status.value, status.label) for status in _OPEN],
        head=["Stream", *(str(status.label) for status in Status)],
        body=body,
        **bars(rows, full),  # type: ignore[arg-type]
    )


def _hourly(found: Overview) -> Picture:
    hours = found.hours
    total, expected = sum(hour.found for hour in hours), sum(hour.expected for hour in hours)
    labels = [_hour_label(hour.start) if number % 12 == 0 else "" for number, hour in enumerate(hours)]
    known = any(hour.expected for hour in hours)
    chance = f"up to {expected:,.0f} windows by chance" if known else "no run of a detector is known in them"
    body = [
        [
            Link(
                f"{timezone.localtime(hour.start):%a %d %b %H:%M}{zone_mark(hour.start)}",
                _list(since=_moment(hour.start), until=_moment(hour.start + HOUR)),
            ),
            Link(f"{hour.found:,}"),
            Link(f"{hour.expected:,.1f}" if known else "–"),
        ]
        for hour in reversed(hours)
    ]
    return Picture(
        "hours",
        "Found per hour",
        f"{total:,} found in 48 hours up to {_until(found)}; {chance}.",
        _list(since=_moment(hours[0].start), until=_moment(hours[-1].start + HOUR)),
        legend=[("bar", "found"), *([("chance", "expected by chance, at most")] if known else [])],
        head=["Hour from", "Found", "By chance ≤"],
        body=body,
        **columns(  # type: ignore[arg-type]
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


def _week(found: Overview) -> Picture:
    rows = list(zip(_DAYS, found.week, strict=True))
    most = max(
        (value, day, hour) for day, (_, values) in enumerate(rows) for hour, value in enumerate(values)
    )
    total = sum(map(sum, found.week))
    says = f"{total:,} found in the {WEEKS} weeks up to {_until(found)}."
    if total:
        says += f" Most on {_DAYS[most[1]]} from {most[2]:02}:00: {most[0]:,}."
    since = found.until - timedelta(weeks=WEEKS) + HOUR
    return Picture(
        "week",
        "When: hour and weekday",
        says,
        _list(since=_moment(since), until=_moment(found.until + HOUR)),
        legend=[("heat-1", "few"), ("heat-3", ""), ("heat-5", "many")] if total else [],
        head=["", *(f"{hour:02}" for hour in range(24))],
        body=[[Link(day), *(Link(f"{value:,}") for value in values)] for day, values in rows],
        **heat(rows, [f"{hour:02}" if hour % 3 == 0 else "" for hour in range(24)]),  # type: ignore[arg-type]
    )


def _newest(decisions: Decisions) -> str:
    return f"Of the newest {NEWEST:,} decisions." if decisions.count >= NEWEST else ""


def _waits(decisions: Decisions) -> Picture:
    if decisions.median is None or decisions.p90 is None:
        return Picture("waits", "Time to decision", "Nothing is decided yet.")
    says = f"Median {_span(decisions.median)}, 90 % within {_span(decisions.p90)}, from arrival."
    labels = ["\n".join(name.rsplit(" ", 1)) for _, name in BINS]
    tips = [f"{name}: {count:,}" for (_, name), count in zip(BINS, decisions.waits, strict=True)]
    drawn = columns([float(count) for count in decisions.waits], labels, tips)
    body = [[Link(name), Link(f"{n:,}")] for (_, name), n in zip(BINS, decisions.waits, strict=True)]
    return Picture(
        "waits",
        "Time to decision",
        says,
        _list(status=[Status.ACKNOWLEDGED, Status.DISMISSED]),
        note=_newest(decisions),
        head=["Within", "Decisions"],
        body=body,
        **drawn,  # type: ignore[arg-type]
    )


def _shares(key: str, title: str, decisions: Decisions, shares: list[Share], url_of: Any) -> Picture:
    if not shares:
        return Picture(key, title, "Nothing is decided yet.")

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
    return Picture(
        key,
        title,
        f"{name_of(first)}: {first.part:.0%} of {first.decided:,} decisions acknowledged.",
        _list(status=Status.ACKNOWLEDGED),
        note=_newest(decisions),
        legend=[("acknowledged", "acknowledged"), ("dismissed", "dismissed")],
        head=["", "Acknowledged", "Decided", "Share"],
        body=body,
        **bars(rows, 1.0),  # type: ignore[arg-type]
    )


def _span(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
