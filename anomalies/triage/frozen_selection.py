"""Decisions about everything that matches a filter: the selection is frozen as shown and decided in parts.

``freeze`` stores the ids and versions of the matching anomalies in one statement; anomalies that arrive or
change after it are skipped. ``decide_parts`` decides STEP of them in a transaction that also stores the
position reached: interrupted anywhere, it goes on from there, and started twice it decides nothing twice.
``write_parts`` does the same with an assignment or a snooze. The set's id is the batch of the decision, which
undo takes. A set is deleted KEPT after it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.audit import Actor
from anomalies.audit.history import done_by
from anomalies.languages import formats
from anomalies.models import Anomaly, BulkRow, BulkSet, Status
from anomalies.querysets import AnomalyQuerySet

from .decisions import MOVES, DecisionError, Left, Outcome, check, decide_as_seen, why_not_from

STEP = 5_000
KEPT = timedelta(days=2)
_FORGOTTEN_AT_ONCE = 3
_IS_SO = {"assign": gettext_lazy("assigned so"), "snooze": gettext_lazy("snoozed")}
_IDS_SHOWN = 20  # of the anomalies skipped for one reason


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a set so far: how many are decided, and the skipped ones by reason."""

    decided: int
    left: tuple[Left, ...]

    @property
    def skipped(self) -> int:
        """The number of anomalies skipped."""
        return sum(each.count for each in self.left)


def freeze(
    anomalies: QuerySet[Any],
    owner: str,
    action: str,
    words: str,
    query: str = "",
    *,
    limit: int | None = None,
    is_part: bool = False,
) -> BulkSet:
    """Store the ids and versions of this queryset, at most ``limit`` of them, the first in its order.

    ``is_part``: the queryset is known not to hold all that match.
    """
    _forget()
    with transaction.atomic():
        asked = BulkSet(id=uuid4(), owner=owner, action=action, words=words, query=query)
        asked.rows, is_capped = _fill_up_to(asked, anomalies, limit)
        asked.is_capped = is_capped or is_part
        asked.created_at = timezone.now()
        asked.save(force_insert=True)
    return asked


def frozen(key: Any, owner: str) -> BulkSet | None:
    """The set of this id, if it is this person's and not forgotten."""
    return BulkSet.objects.filter(pk=key, owner=owner, created_at__gt=timezone.now() - KEPT).first()


def begin(asked: BulkSet, reason: str | None, note: str) -> BulkSet:
    """Set the reason and note with which the set is decided, once. Raises DecisionError.

    What is no decision has its values in the note.
    """
    if asked.action in MOVES:
        check(asked.action, reason, note)
    fresh = BulkSet.objects.filter(pk=asked.pk, started_at=None)
    fresh.update(started_at=timezone.now(), reason=reason, note=note)
    return BulkSet.objects.get(pk=asked.pk)


def exclude(asked: BulkSet, anomalies: Sequence[UUID]) -> BulkSet:
    """Take anomalies out of a set that was not begun. Raises DecisionError if none would be left."""
    with transaction.atomic():
        now = BulkSet.objects.select_for_update().get(pk=asked.pk)
        if now.started_at is not None or not anomalies:
            return now
        out = BulkRow.objects.filter(set_id=now.pk, anomaly_id__in=anomalies)
        places = list(out.values_list("position", flat=True))
        if len(places) == now.rows:
            raise DecisionError(_("All anomalies are excluded; nothing is left to decide about."))
        out.delete()
        now.rows -= len(places)
        with connection.cursor() as cursor:
            cursor.execute(_CLOSE_GAPS, {"set": now.pk, "rows": now.rows, "places": places})
        if places:
            about = {"selection": now.words, "count": formats.count(len(places))}
            now.words = _("%(selection)s; %(count)s excluded") % about
        now.save(update_fields=["rows", "words"])
    return now


def decide_parts(asked: BulkSet, actor: Actor) -> Iterator[BulkSet]:
    """Decide a set that was begun, from the position reached; yields the set after each part."""

    def decided(now: BulkSet, part: QuerySet[Any]) -> int:
        return decide_as_seen(now.action, part, actor, reason=now.reason, note=now.note, batch=now.pk)

    while (now := _write_part(asked, decided)) is not None:
        yield now


def write_parts(asked: BulkSet, write: Callable[[dict[UUID, int], UUID], Outcome]) -> Iterator[BulkSet]:
    """As ``decide_parts``, by an assignment or a snooze: ``write`` takes the versions by id, and the batch.

    Raises DecisionError as ``write`` does.
    """

    def written(now: BulkSet, part: QuerySet[Any]) -> int:
        return len(write(dict(part.values_list("anomaly_id", "version")), now.pk).decided)

    while (now := _write_part(asked, written)) is not None:
        yield now


def result(asked: BulkSet) -> Result:
    """The result of a set by the audit log: how many were decided, and the rest by reason."""
    if asked.decided == asked.done_to:
        return Result(asked.decided, ())
    with connection.cursor() as cursor:
        cursor.execute(
            _LEFT, {"set": asked.pk, "batch": str(asked.pk), "to": asked.done_to, "named": _IDS_SHOWN}
        )
        left = [_left(asked.action, *row) for row in cursor.fetchall()]
    return Result(asked.decided, tuple(sorted(left, key=lambda each: -each.count)))


def sample(asked: BulkSet, rows: int) -> AnomalyQuerySet:
    """Some anomalies of a set, spread over it."""
    distance = max(1, asked.rows // rows)
    places = [1 + number * distance for number in range(min(rows, asked.rows))]
    chosen = BulkRow.objects.filter(set_id=asked.pk, position__in=places)
    return Anomaly.objects.filter(pk__in=chosen.values("anomaly_id"))


def _fill_up_to(asked: BulkSet, anomalies: QuerySet[Any], limit: int | None) -> tuple[int, bool]:
    """The number of rows stored, and whether more match. Only then does the order matter, and a sort pay."""
    if limit is None:
        return _fill(asked, anomalies.order_by(), None), False
    rows = _fill(asked, anomalies.order_by(), limit + 1)
    if rows <= limit:
        return rows, False
    BulkRow.objects.filter(set_id=asked.pk).delete()
    return _fill(asked, anomalies, limit), True


def _fill(asked: BulkSet, anomalies: QuerySet[Any], limit: int | None) -> int:
    """Positions go by the place in the table, so that a part is rows that lie together. 0 for no rows."""
    place = RawSQL("anomalies.ctid", ())
    matching = anomalies.annotate(place=place).values("pk", "version", "place")[:limit]
    try:
        chosen, values = matching.query.sql_with_params()
    except EmptyResultSet:
        return 0
    statement = (
        "INSERT INTO bulk_rows (set_id, position, anomaly_id, version) "  # noqa: S608 - Django wrote the rest
        "SELECT %s, row_number() OVER (ORDER BY place), id, version "
        f"FROM ({chosen}) AS matching(id, version, place)"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [asked.pk, *values])
        filled: int = cursor.rowcount
    return filled


def _write_part(asked: BulkSet, write: Callable[[BulkSet, QuerySet[Any]], int]) -> BulkSet | None:
    with transaction.atomic():
        now = BulkSet.objects.select_for_update().get(pk=asked.pk)
        if now.started_at is None or now.done_to >= now.rows:
            return None
        upto = min(now.done_to + STEP, now.rows)
        part = BulkRow.objects.filter(set_id=now.pk, position__gt=now.done_to, position__lte=upto)
        decided = write(now, part)
        BulkSet.objects.filter(pk=now.pk).update(done_to=upto, decided=F("decided") + decided)
        now.done_to, now.decided = upto, now.decided + decided
    return now


def _left(action: str, place: str, status: str, what: str, columns: str, who: str, *rest: Any) -> Left:
    first, last, count, ids = rest
    if place == "gone":
        why = _("there is no such anomaly any more")
    elif place == "changed":
        change = (
            done_by(what, columns, who, first, last)
            if what
            else _("written, though nothing on record changed")
        )
        why = _("changed since it was shown: %(change)s") % {"change": change}
    elif action in MOVES:
        why = why_not_from(action, status)
    else:
        about = {"status": Status(status).label, "state": _IS_SO.get(action, action)}
        why = _("it is %(status)s, or %(state)s already") % about
    return Left(why, count, tuple(ids))


def _forget() -> None:
    """Drop sets that are too old, a few at a time."""
    old = BulkSet.objects.filter(created_at__lt=timezone.now() - KEPT).order_by("created_at")
    keys = list(old.values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
    if keys:
        BulkRow.objects.filter(set_id__in=keys).delete()
        BulkSet.objects.filter(pk__in=keys).delete()


# Positions have no gaps: the last rows take the places of those that were taken out.
_CLOSE_GAPS = """
    UPDATE bulk_rows SET position = gap.position
    FROM (
        SELECT position, row_number() OVER (ORDER BY position) AS no
        FROM unnest(%(places)s::integer[]) AS position WHERE position <= %(rows)s
    ) AS gap JOIN (
        SELECT position, row_number() OVER (ORDER BY position) AS no
        FROM bulk_rows WHERE set_id = %(set)s AND position > %(rows)s
    ) AS moved USING (no)
    WHERE set_id = %(set)s AND bulk_rows.position = moved.position
"""

# "+ 0" keeps PostgreSQL from walking the key backwards through other rows' entries.
_LEFT = """
    SELECT place, status, action, columns, username, min(timestamp), max(timestamp), count(*),
           (array_agg(anomaly_id ORDER BY anomaly_id))[1:%(named)s]
    FROM (
        SELECT skipped.anomaly_id, place,
               CASE WHEN place = 'status' THEN anomalies.status END AS status,
               CASE WHEN place = 'changed' THEN last.action END AS action,
               CASE WHEN place = 'changed' AND last.action = 'update' THEN (
                   SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_object_keys(last.new_values) AS key
               ) END AS columns,
               CASE WHEN place = 'changed' THEN last.username END AS username,
               CASE WHEN place = 'changed' THEN last.timestamp END AS timestamp
        FROM (
            SELECT anomaly_id, version FROM bulk_rows
            WHERE set_id = %(set)s AND position <= %(to)s AND NOT EXISTS (
                SELECT FROM audit_log
                WHERE resource_type = 'anomaly' AND resource_id IS NOT NULL
                  AND metadata ->> 'batch' = %(batch)s AND resource_id = bulk_rows.anomaly_id)
        ) AS skipped
        LEFT JOIN anomalies ON anomalies.id = skipped.anomaly_id
        LEFT JOIN LATERAL (
            SELECT timestamp, action, username, new_values FROM audit_log
            WHERE resource_type = 'anomaly' AND resource_id = skipped.anomaly_id ORDER BY id + 0 DESC LIMIT 1
        ) AS last ON true
        CROSS JOIN LATERAL (
            SELECT CASE WHEN anomalies.id IS NULL THEN 'gone'
                        WHEN anomalies.version <> skipped.version THEN 'changed' ELSE 'status' END AS place
        ) AS placed
    ) AS reasons
    GROUP BY place, status, action, columns, username
"""
