"""The lead's overview: open anomalies, arrivals by hour, and the speed and precision of decisions.

No answer's cost grows with the table: all come from the roll-up, from the newest detection runs and from the
NEWEST decisions, in one statement. Read-only; returns plain values.
"""

from __future__ import annotations

import math
from bisect import bisect, bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.utils import timezone

from anomalies.models import OPEN, AuditLog, DetectionConfig, Status, Stream
from anomalies.schema.search_path import ours

from . import hourly_rollup
from .bounded.sql import Sql, named, of_queryset
from .bounded.together import Read, Rows, moment, together
from .stats import NEWEST, chance_per_hour, newest_runs

HOUR = timedelta(hours=1)
HOURS, WEEKS, TAGS, SWITCHES = 48, 4, 8, 200
TREND, STEP = timedelta(days=7), timedelta(hours=6)

_TOTALS = "SELECT stream_type, status, sum(total)::bigint FROM {totals} GROUP BY 1, 2"
# The current hour; if nothing was found for WEEKS, the last hour with an anomaly.
_END = """
    SELECT CASE WHEN max(latest) < %(hour)s - %(span)s THEN max(latest) ELSE %(hour)s END AS until FROM (
        SELECT max(hour) AS latest FROM {hours} WHERE hour BETWEEN '0002-01-01Z' AND %(hour)s
        UNION ALL
        SELECT max(hour) FROM {deltas} WHERE hour BETWEEN '0002-01-01Z' AND %(hour)s
    ) AS either
"""
_HOURLY = f"""
    SELECT hour, sum(total)::bigint FROM {{hours_now}}
    WHERE hour > ({_END}) - %(span)s AND hour <= ({_END}) GROUP BY 1
"""  # noqa: S608 -- constants
# PostgreSQL's timestamps may be infinite; those are excluded from differences, as are the decisions of rules,
# which are taken at the moment of arrival.
_DECISIONS = """
    SELECT stream_type, status, tags, created_at, coalesce(acknowledged_at, dismissed_at) AS decided_at,
           coalesce(acknowledged_at, nullif(dismissed_at, created_at)) AS waited_until
    FROM anomalies WHERE acknowledged_at IS NOT NULL OR dismissed_at IS NOT NULL
    ORDER BY coalesce(acknowledged_at, dismissed_at) DESC LIMIT %s
"""
_WAITS = f"""
    SELECT stream_type, status, extract(epoch FROM created_at)::float8,
           CASE WHEN isfinite(decided_at) AND isfinite(created_at)
                THEN extract(epoch FROM waited_until - created_at)::float8 END,
           CASE WHEN isfinite(decided_at) THEN decided_at END
    FROM ({_DECISIONS}) AS newest
"""  # noqa: S608 -- constants
_BY_TAG = f"""
    SELECT left(tag, 60), count(*) FILTER (WHERE status = 'acknowledged'), count(*)
    FROM ({_DECISIONS}) AS newest, unnest(tags[1:20]) AS tag
    WHERE status IN ('acknowledged', 'dismissed')
    GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT %s
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Hour:
    """The anomalies ``found`` in an hour, and the number of windows ``expected`` to be flagged by chance, an
    upper bound."""

    start: datetime
    found: int
    expected: float


@dataclass(frozen=True, slots=True)
class Share:
    """The number of decisions that confirmed the anomaly, among all decisions of a group."""

    name: str
    acknowledged: int
    decided: int

    @property
    def part(self) -> float:
        """The confirmed share, from 0 to 1."""
        return self.acknowledged / self.decided


@dataclass(frozen=True, slots=True)
class Decisions:
    """The newest decisions. Times are in seconds from a row's insertion; ``waits`` counts them by BINS."""

    count: int
    median: float | None
    p90: float | None
    waits: list[int]
    by_stream: list[Share]
    by_tag: list[Share]
    by_config: list[Share]


# Upper bounds in seconds, and the labels of the bins.
BINS: list[tuple[float, str]] = [
    (60, "< 1 min"),
    (5 * 60, "1–5 min"),
    (30 * 60, "5–30 min"),
    (2 * 3600, "½–2 h"),
    (8 * 3600, "2–8 h"),
    (24 * 3600, "8–24 h"),
    (7 * 86400, "1–7 d"),
    (math.inf, "> 7 d"),
]


@dataclass(frozen=True, slots=True)
class Open:
    """The number of anomalies that were undecided at a moment."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The content of the page. ``waiting`` is the present number of anomalies by stream and status.

    ``week`` is the number found by weekday (Monday is 0) and hour in the current time zone, over the WEEKS up
    to ``until``. ``trend`` is the backlog at every STEP of the TREND up to then, as far as the newest
    decisions go back. ``has_many_deltas`` if those of the roll-ups are worth folding.
    """

    waiting: dict[str, dict[str, int]]
    hours: list[Hour]
    week: list[list[int]]
    until: datetime
    decisions: Decisions
    trend: list[Open]
    has_many_deltas: bool

    @property
    def is_empty(self) -> bool:
        """True if there are no anomalies."""
        return not self.waiting


@dataclass(frozen=True, slots=True)
class _Reads:
    """The reads of the overview."""

    is_built: Read[bool]
    has_many_deltas: Read[bool]
    until: Read[datetime]
    hourly: Read[dict[datetime, int]]
    totals: Read[dict[str, dict[str, int]]]
    runs: Read[list[dict[str, Any]]]
    decided: Read[Rows]
    by_tag: Read[list[Share]]
    switches: Read[Rows]
    active: Read[int | None]

    @classmethod
    def of(cls, now: datetime) -> _Reads:
        """Return them for a time."""
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        when = {"hour": hour, "span": timedelta(weeks=WEEKS)}
        return cls(
            hourly_rollup.built(),
            hourly_rollup.many_deltas(),
            Read(_named(_END, **when), lambda rows: cast(datetime, rows[0][0]), {0: moment}),
            Read(_named(_HOURLY, **when), dict, {0: moment}),
            Read(_named(_TOTALS), _waiting),
            newest_runs(),
            Read(Sql(_WAITS, (NEWEST,)), list, {4: moment}),
            Read(Sql(_BY_TAG, (NEWEST, TAGS)), lambda rows: [Share(*row) for row in rows]),
            _switches(),
            _active(),
        )


def overview(now: datetime | None = None) -> Overview | None:
    """The overview at ``now``; None as long as the roll-up is not built."""
    reads = _Reads.of(now or timezone.now())
    found = together(*(getattr(reads, part.name) for part in fields(reads)))
    if not found[reads.is_built]:
        return None
    until, hourly = found[reads.until], found[reads.hourly]
    starts = [until - HOUR * back for back in reversed(range(HOURS))]
    chance = chance_per_hour(starts, found[reads.runs])
    hours = [Hour(start, hourly.get(start, 0), chance[start]) for start in starts]
    waiting, decided = found[reads.totals], found[reads.decided]
    trend = _trend(waiting, hourly, decided, until + HOUR)
    config_of = _configs(found[reads.switches], found[reads.active])
    decisions = _decisions(decided, found[reads.by_tag], config_of)
    return Overview(waiting, hours, _week(hourly), until, decisions, trend, found[reads.has_many_deltas])


_OF_THE_ROLL_UP = {
    "totals": "anomaly_totals_now",
    "hours": "anomaly_hours",
    "hours_now": "anomaly_hours_now",
    "deltas": "anomaly_hour_deltas",
}


def _named(statement: str, **values: Any) -> Sql:
    return named(statement.format(**{word: ours(name) for word, name in _OF_THE_ROLL_UP.items()}), **values)


def _waiting(rows: Rows) -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for stream, status, total in rows:
        if total:
            found[stream][status] = total
    return {stream: found[stream] for stream in Stream.values if stream in found}


def _week(found: dict[datetime, int]) -> list[list[int]]:
    week = [[0] * 24 for _ in range(7)]
    for start, total in found.items():
        local = timezone.localtime(start)
        week[local.weekday()][local.hour] += total
    return week


def _trend(
    waiting: dict[str, dict[str, int]],
    found: dict[datetime, int],
    decided: Rows,
    end: datetime,
) -> list[Open]:
    """The backlog in the past, by what it is now.

    At a time t, open were those that are open now, without those that happened since t, and with those that
    were decided since t: an anomaly that happened and was decided since t counts in both, and so in neither.
    It goes by the decisions that stand: what was decided and reopened was open all the time.
    """
    times = sorted(at for _, status, _, _, at in decided if at and status not in OPEN)
    known_from = times[0] if len(decided) >= NEWEST and times else None
    now = sum(counts.get(status, 0) for counts in waiting.values() for status in OPEN)
    trend = []
    for back in range(TREND // STEP, -1, -1):
        moment = end - back * STEP
        if known_from is None or moment >= known_from:
            happened = sum(count for hour, count in found.items() if hour >= moment)
            since = len(times) - bisect_left(times, moment)
            trend.append(Open(moment, max(0, now - happened + since)))
    return trend


def _decisions(rows: Rows, by_tag: list[Share], config_of: Callable[[float], str]) -> Decisions:
    waits = sorted(max(waited, 0.0) for _, _, _, waited, _ in rows if waited is not None)
    bounds = [bound for bound, _ in BINS]
    binned = Counter(bisect(bounds, waited) for waited in waits)
    return Decisions(
        count=len(rows),
        median=_percentile(waits, 0.5),
        p90=_percentile(waits, 0.9),
        waits=[binned[number] for number in range(len(BINS))],
        by_stream=_shares(rows, lambda stream, created: stream),
        by_tag=by_tag,
        by_config=_shares(rows, lambda stream, created: config_of(created)),
    )


def _percentile(ordered: list[float], fraction: float) -> float | None:
    """The percentile by linear interpolation between two values, as percentile_cont computes it."""
    if not ordered:
        return None
    place = fraction * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _shares(rows: Rows, name_of: Callable[[str, float], str]) -> list[Share]:
    counts: Counter[tuple[str, str]] = Counter()
    for stream, status, created, *_ in rows:
        if status in (Status.ACKNOWLEDGED, Status.DISMISSED):
            counts[name_of(stream, created), status] += 1
    names = sorted({name for name, _ in counts})
    shares = []
    for name in names:
        real = counts[name, Status.ACKNOWLEDGED]
        shares.append(Share(name, real, real + counts[name, Status.DISMISSED]))
    return sorted(shares, key=lambda share: (-share.decided, share.name))


def _switches() -> Read[Rows]:
    """The newest switches of the active config by the audit log: time, action, number of the config."""
    switches = AuditLog.objects.filter(
        action__in=("activate", "deactivate"), resource_type="detection_config"
    )
    newest = switches.order_by("-timestamp", "-id").values_list("timestamp", "action", "metadata__id")
    return Read(of_queryset(newest[:SWITCHES]), list, {0: moment})


def _active() -> Read[int | None]:
    """The number of the active config; None without one."""
    active = DetectionConfig.objects.filter(is_active=True).order_by("pk").values_list("pk", flat=True)
    return Read(of_queryset(active[:1]), lambda rows: rows[0][0] if rows else None)


def _configs(switches: Rows, active: int | None) -> Callable[[float], str]:
    """A function for the config that was active at a time (seconds since 1970)."""
    known = [(moment.timestamp(), action, config) for moment, action, config in reversed(switches)]
    made = [(moment, config) for moment, action, config in known if action == "activate"]
    moments = [moment for moment, _ in made]
    if not known:
        first = f"config {active}" if active else "no config"
    else:
        _, action, config = known[0]
        first = f"config {config}" if action == "deactivate" else "earlier ones"

    def config_of(created: float) -> str:
        place = bisect(moments, created)
        return f"config {made[place - 1][1]}" if place else first

    return config_of
