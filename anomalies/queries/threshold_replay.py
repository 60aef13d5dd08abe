"""Threshold simulator: other thresholds replayed over past decisions, with what would be shown and missed.

It is a counterfactual replay of logged decisions: each decided anomaly is kept or dropped by the proposed
thresholds, and the confirmed share of the kept ones estimates the precision. Only stricter thresholds can be
replayed: windows that the present ones did not flag were never stored, so the result of looser ones is
unknown.

The curve is the same replay at POINTS novelty thresholds from the active one to 1, each applied to all
streams whose own threshold is below it, with the proposed p-value thresholds. One pass counts the anomalies
whose measure lies between two points (``width_bucket``); what a point shows is the sum above it. What is open
has no verdict yet, so of it only the number that would be hidden is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Count, F, FloatField, Func, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import override

from anomalies.audit import Actor, acting, is_made
from anomalies.languages import formats
from anomalies.models import OPEN, Anomaly, DetectionConfig, Status, Stream
from anomalies.thresholds import (
    ConfigChanged,
    Thresholds,
    activate,
    flagged,
    lock_configs,
    thresholds_for,
)

from .bounded.filter_listing import listing_of
from .bounded.matches import first
from .bounded.walks import NEWEST_FIRST
from .filters import AnomalyFilter

VERDICT_FROM = 20  # decisions; with fewer the interval is wider than any difference
LISTED = 50  # missed anomalies that are listed
REPLAYED = 50_000  # the newest decisions, and the newest open anomalies
POINTS = 11  # of the curve
_Z95 = 1.959963984540054  # the normal distribution's 97.5 % quantile
_BREAK = "15 minutes"  # a longer pause between two decisions is not counted as work on the second


class ReplayError(ValueError):
    """The replay is impossible; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A share and the bounds of its 95 % confidence interval, 0 to 1."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Decided anomalies: confirmed ones (acknowledged) and dismissed ones."""

    acknowledged: int
    dismissed: int

    @property
    def decided(self) -> int:
        """The number of decisions of both kinds."""
        return self.acknowledged + self.dismissed

    @property
    def precision(self) -> Interval | None:
        """The share of confirmed ones with Wilson's interval; None without decisions."""
        return wilson(self.acknowledged, self.decided)


@dataclass(frozen=True, slots=True)
class OpenEffect:
    """Of ``shown`` open anomalies that the active config flags, ``hidden`` would not be shown.

    ``first`` are the newest of these, at most LISTED; ``is_part`` if REPLAYED were read: more may be open.
    """

    shown: int
    hidden: int
    first: tuple[Anomaly, ...]
    is_part: bool


@dataclass(frozen=True, slots=True)
class Point:
    """Decided anomalies that one novelty threshold shows, and the number of open ones that it would hide."""

    threshold: float
    shown: Counts
    missed: int  # confirmed anomalies that it would not show
    hidden: int


@dataclass(frozen=True, slots=True)
class Replay:
    """The effect of other thresholds on the decided and the open anomalies."""

    before: Counts
    after: Counts
    lost: tuple[Anomaly, ...]  # acknowledged ones that would not be shown, newest first, at most LISTED
    seconds_per_decision: float | None  # the median pause between two decisions of one person
    open: OpenEffect
    curve: tuple[Point, ...]

    @property
    def both(self) -> tuple[Counts, Counts]:
        """Before and after."""
        return self.before, self.after

    @property
    def open_left(self) -> int:
        """The number of open anomalies that would still be shown."""
        return self.open.shown - self.open.hidden

    @property
    def lost_count(self) -> int:
        """The number of confirmed anomalies that would not be shown."""
        return self.before.acknowledged - self.after.acknowledged

    @property
    def hours_saved(self) -> float | None:
        """The hours spent on dismissing anomalies that would not be shown; None if no pace is known."""
        if self.seconds_per_decision is None:
            return None
        return (self.before.dismissed - self.after.dismissed) * self.seconds_per_decision / 3600

    @property
    def has_verdict(self) -> bool:
        """True if there are enough decisions for a result."""
        return self.before.decided >= VERDICT_FROM

    def in_words(self) -> str:
        """The result in one or two sentences, as a config's notes keep it."""
        if not self.has_verdict:
            words = _("%(count)s decisions are too few for a verdict; %(least)s are needed.")
            return words % {"count": self.before.decided, "least": VERDICT_FROM}
        was, would = self.before.precision, self.after.precision
        with_interval = _(
            "Of %(decided)s decided anomalies %(left)s would still be shown; %(was)s of those shown were "
            "confirmed, %(would)s (%(low)s to %(high)s) would be. "
            "%(missed)s confirmed anomalies would be missed."
        )
        without = _(
            "Of %(decided)s decided anomalies %(left)s would still be shown; %(was)s of those shown were "
            "confirmed, none would be. %(missed)s confirmed anomalies would be missed."
        )
        numbers = {"decided": self.before.decided, "left": self.after.decided, "missed": self.lost_count}
        about = {name: formats.count(number) for name, number in numbers.items()}
        shares = {"was": was and was.share}
        if would:
            shares |= {"would": would.share, "low": would.low, "high": would.high}
        about |= {name: formats.share(share or 0) for name, share in shares.items()}
        return (with_interval if would else without) % about


def wilson(successes: int, trials: int) -> Interval | None:
    """Wilson's 95 % score interval for a share; None without trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
    1927. Unlike the normal approximation it stays within 0 and 1 and holds for few trials.
    """
    if not trials:
        return None
    share, z2 = successes / trials, _Z95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 / (1 + z2 / trials) * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def replay(current: DetectionConfig, proposed: DetectionConfig) -> Replay:
    """The newest REPLAYED decisions under the proposed config.

    Raises ReplayError for a config that is looser than the current one in any stream.
    """
    _check_stricter(current, proposed)
    replayed = _newest((Status.ACKNOWLEDGED, Status.DISMISSED))
    waiting = _newest(OPEN).filter(shown_by(current))
    kept = replayed.filter(shown_by(proposed))
    lost = replayed.filter(status=Status.ACKNOWLEDGED).exclude(pk__in=kept.values("pk"))
    before, open_now = _counts(replayed), _open_effect(waiting, proposed)
    return Replay(
        before=before,
        after=_counts(kept),
        lost=_listed(lost),
        seconds_per_decision=_seconds_per_decision(),
        open=open_now,
        curve=_curve(current, proposed, (replayed, waiting), (before.acknowledged, open_now.shown)),
    )


def _newest(statuses: Iterable[Status]) -> QuerySet[Anomaly]:
    """The newest REPLAYED anomalies of these statuses, however rare they are among all."""
    listing = listing_of(AnomalyFilter(QueryDict("&".join(f"status={status}" for status in statuses))))
    return first(listing, NEWEST_FIRST.names, REPLAYED).rows.order_by()


def _listed(anomalies: Any) -> tuple[Anomaly, ...]:
    return tuple(anomalies.for_list().order_by("-timestamp", "-id")[:LISTED])


def _open_effect(waiting: QuerySet[Anomaly], proposed: DetectionConfig) -> OpenEffect:
    shown, is_part = waiting.count(), _newest(OPEN).count() >= REPLAYED
    hidden = shown - waiting.filter(shown_by(proposed)).count()
    return OpenEffect(shown, hidden, _listed(waiting.exclude(shown_by(proposed))), is_part)


def _curve(
    current: DetectionConfig,
    proposed: DetectionConfig,
    rows: tuple[QuerySet[Anomaly], QuerySet[Anomaly]],
    totals: tuple[int, int],
) -> tuple[Point, ...]:
    """The points of the curve, from the decided and the open ``rows``.

    ``totals`` are the numbers of confirmed and of open anomalies that no threshold hides.
    """
    low = current.ncd_threshold
    points = sorted({low + (1 - low) * number / (POINTS - 1) for number in range(POINTS)})
    shown = _shown_by_streams(
        {
            stream: replace(
                thresholds_for(current, stream),
                p_value_threshold=thresholds_for(proposed, stream).p_value_threshold,
            )
            for stream in Stream.values
        }
    )
    decided, waiting = (_above(each.filter(shown), points) for each in rows)
    confirmed, open_now = totals
    return tuple(
        Point(threshold, counts, confirmed - counts.acknowledged, open_now - sum(open_above.values()))
        for threshold, counts, open_above in zip(
            points,
            (Counts(each[Status.ACKNOWLEDGED], each[Status.DISMISSED]) for each in decided),
            waiting,
            strict=True,
        )
    )


def _above(anomalies: QuerySet[Anomaly], points: list[float]) -> list[Counter[str]]:
    """For each point the number of anomalies whose measure is not below it, by status."""
    bucket = Func(
        Coalesce("novelty", "ncd_score"),
        Value(points, ArrayField(FloatField())),
        function="width_bucket",
        output_field=IntegerField(),
    )
    rows = (
        anomalies.annotate(bucket=bucket).values_list("bucket", "status").annotate(n=Count("pk")).order_by()
    )
    found = list(rows)
    above = []
    for number in range(1, len(points) + 1):
        counts: Counter[str] = Counter()
        for reached, status, n in found:
            if reached >= number:
                counts[status] += n
        above.append(counts)
    return above


def apply(
    proposed: DetectionConfig, result: Replay, actor: Actor, *, current: tuple[int, int], batch: UUID
) -> DetectionConfig | None:
    """Store the proposed thresholds as a new config, the result in its notes, and make it the active one.

    ``current`` is the id and version of the config that they were compared with: another one would give
    another result. Returns None if this user did it in this ``batch`` already. Raises ConfigChanged.
    """
    with override("en"):  # of the audit log and the config's notes
        words = result.in_words()
    with acting(actor, what_if=words, batch=str(batch)):
        configs = lock_configs()
        if is_made("detection_config", batch, actor.username):
            return None
        number, version = current
        if configs.get(number) != (version, True):
            raise ConfigChanged(_("The active config has changed since the replay, so nothing was applied."))
        proposed.pk = None
        proposed.created_by = actor.username
        proposed.notes = f"Threshold simulator: {words}"
        proposed.save(force_insert=True)
        activate(proposed.pk, actor)
    return proposed


def _check_stricter(current: DetectionConfig, proposed: DetectionConfig) -> None:
    looser = [
        f"{stream}: {words}"
        for stream in Stream.values
        for words in _looser(thresholds_for(current, stream), thresholds_for(proposed, stream))
    ]
    if looser:
        raise ReplayError(
            _(
                "Only stricter thresholds can be replayed: windows that the present ones did not flag were "
                "never stored. %(looser)s"
            )
            % {"looser": "; ".join(looser)}
        )


def _looser(current: Thresholds, proposed: Thresholds) -> Iterable[str]:
    if proposed.ncd_threshold < current.ncd_threshold:
        words = _("the novelty threshold %(new)s is below %(present)s")
        yield words % _pair(proposed.ncd_threshold, current.ncd_threshold)
    if proposed.p_value_threshold > current.p_value_threshold:
        words = _("the p-value threshold %(new)s is above %(present)s")
        yield words % _pair(proposed.p_value_threshold, current.p_value_threshold)


def _pair(new: float, present: float) -> dict[str, str]:
    return {"new": formats.number_text(f"{new:g}"), "present": formats.number_text(f"{present:g}")}


def shown_by(config: DetectionConfig) -> Q:
    """The condition that a config flags an anomaly by the thresholds of its stream."""
    return _shown_by_streams({stream: thresholds_for(config, stream) for stream in Stream.values})


def _shown_by_streams(thresholds: Mapping[str, Thresholds]) -> Q:
    shown = Q()
    for stream, numbers in thresholds.items():
        shown |= Q(stream_type=stream) & flagged(numbers)
    return shown


def _counts(anomalies: QuerySet[Anomaly]) -> Counts:
    real = anomalies.filter(status=Status.ACKNOWLEDGED).count()
    return Counts(real, anomalies.filter(status=Status.DISMISSED).count())


_PACE = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM pause))
    FROM (
        SELECT "when" - lag("when") OVER (PARTITION BY who ORDER BY "when") AS pause
        FROM ({decisions}) AS decisions
    ) AS pauses
    WHERE pause > interval '0' AND pause < %s::interval
"""


def _seconds_per_decision() -> float | None:
    """The median pause in seconds between two decisions of one user, over the newest; None without any."""
    decided = Anomaly.objects.filter(status__in=(Status.ACKNOWLEDGED, Status.DISMISSED))
    decisions = decided.order_by("-timestamp", "-id").values(
        who=Coalesce(F("acknowledged_by"), F("dismissed_by")),
        when=Coalesce(F("acknowledged_at"), F("dismissed_at")),
    )[:REPLAYED]
    statement, values = decisions.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_PACE.format(decisions=statement), [*values, _BREAK])
        median: Any = cursor.fetchone()[0]
    return None if median is None else float(median)
