"""Erasure: evidence that goes before its row, and a text that is taken out of every row that has it.

Rows are changed a few hundred at a time, on record: the audit log names who erased, and from which
columns, and does not keep what was erased (migration 0056). What people wrote stays, since the audit log
has recorded it and is sealed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from anomalies.audit import Actor, acting
from anomalies.models import Anomaly, Comment, Pattern
from anomalies.queries.bounded.listing import Listing
from anomalies.querysets import AnomalyQuerySet
from anomalies.schema.search_path import ours

from .masks import replaced_json

MARK = "[erased]"
_AT_ONCE = 200  # rows in one transaction
_TEXTS = ("glass_box_explanation", "detailed_explanation")
_JSON = ("baseline_data", "window_data", "metadata")
_COLUMNS = (*_TEXTS, *_JSON, "tags")


@dataclass(frozen=True, slots=True)
class Left:
    """The numbers of anomalies with notes, and of comments, that have a text; an erasure leaves them."""

    notes: int
    comments: int


# --- evidence ---------------------------------------------------------------------------------------------


def with_evidence(listing: Listing, before: datetime) -> Any:
    """Return the anomalies of a list that happened before a time and have evidence.

    Open ones are left out unless the list is of certain statuses.
    """
    has_any = Q(*((f"{column}__isnull", False) for column in AnomalyQuerySet.EVIDENCE), _connector=Q.OR)
    return listing.rows.filter(has_any, timestamp__lt=before, **listing.decided_unless_asked)


def erase_evidence(listing: Listing, before: datetime, actor: Actor) -> Iterator[int]:
    """Erase the evidence of ``with_evidence`` and yield the number of erased ones after each part."""
    done = 0
    nothing = dict.fromkeys(AnomalyQuerySet.EVIDENCE)
    for ids in _parts(with_evidence(listing, before)):
        with acting(actor, erasure="evidence"):
            done += with_evidence(listing, before).filter(pk__in=ids).update(**nothing)
        yield done


# --- a text -----------------------------------------------------------------------------------------------


def with_text(rows: Any, text: str) -> Any:
    """Return those of the rows whose explanation, evidence, metadata or tags have a text, in any case."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    as_text = {f"{column}_text": Cast(column, TextField()) for column in (*_JSON, "tags")}
    wanted = [(f"{column}__icontains", text) for column in _TEXTS]
    wanted += [(f"{column}__icontains", quoted) for column in as_text]
    return rows.annotate(**as_text).filter(Q(*wanted, _connector=Q.OR))


def erase_text(listing: Listing, text: str, actor: Actor) -> Iterator[int]:
    """Replace a text by "[erased]" in the anomalies of a list; yield the number of changed ones by part.

    The name of a pattern that has the text loses it too.
    """
    pattern = re.compile(re.escape(text), re.IGNORECASE)

    def erased(value: str) -> str:
        return pattern.sub(MARK, value)

    done = 0
    for ids in _parts(with_text(listing.rows, text)):
        with acting(actor, erasure="text"):
            done += sum(_erase(row, erased) for row in _locked(ids))
        yield done
    with transaction.atomic():
        for found in Pattern.objects.select_for_update().filter(template__icontains=text):
            Pattern.objects.filter(pk=found.pk).update(template=erased(found.template))


def left_by_people(text: str) -> Left:
    """Return where people wrote a text, in any case."""
    return Left(
        Anomaly.objects.filter(notes__icontains=text).count(),
        Comment.objects.filter(text__icontains=text).count(),
    )


def _parts(found: Any) -> Iterator[list[UUID]]:
    """The ids of the rows as they are now, a few hundred at a time; 16 bytes each are kept in memory."""
    ids = list(found.order_by().values_list("pk", flat=True))
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _locked(ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    columns = ", ".join(f"{each}::text" if each in _JSON else each for each in _COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {columns} FROM {ours('anomalies')} WHERE id = ANY (%s) ORDER BY id FOR UPDATE",  # noqa: S608
            [list(ids)],
        )
        return list(cursor.fetchall())


def _erase(row: tuple[Any, ...], erased: Callable[[str], str]) -> bool:
    """Write the row without the text; False if it does not have it any more."""
    key, *former = row
    latter = [_without(column, value, erased) for column, value in zip(_COLUMNS, former, strict=True)]
    changed = [each for each, a, b in zip(_COLUMNS, former, latter, strict=True) if a != b]
    if not changed:
        return False
    values = dict(zip(_COLUMNS, latter, strict=True))
    to_set = ", ".join(f"{each} = %s::jsonb" if each in _JSON else f"{each} = %s" for each in changed)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {ours('anomalies')} SET {to_set} WHERE id = %s",  # noqa: S608 - names of columns
            [*(values[each] for each in changed), key],
        )
    return True


def _without(column: str, value: Any, erased: Callable[[str], str]) -> Any:
    if value is None:
        return None
    if column in _JSON:
        return replaced_json(value.encode(), erased).decode()
    if column == "tags":
        return [each if each is None else erased(each) for each in value]
    return erased(value)
