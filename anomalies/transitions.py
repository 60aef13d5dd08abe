"""The triage rules: which decision may follow which, who took it and when. The only writer of status.

    pending ──investigate──▶ investigating
    pending, investigating ──acknowledge──▶ acknowledged   (it is real)
    pending, investigating ──dismiss──▶ dismissed          (it is not, for a reason)
    investigating, acknowledged, dismissed ──reopen──▶ pending

A decision is an UPDATE that asks for the former status, so of two people who decide at once one wins and
the other is told what the first one did. One anomaly is a bulk of one. Whether somebody may decide at all
is asked at the surface (``permissions``); the triggers keep the record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, TextField, Value, When
from django.db.models.functions import Concat

from .audit import Actor, acting
from .fields import Now
from .models import Anomaly, DismissalReason, Status


@dataclass(frozen=True, slots=True)
class Move:
    """A decision: where it leads, and from where; ``done`` is its participle."""

    to: Status
    sources: frozenset[Status]
    done: str


_UNDECIDED = frozenset({Status.PENDING, Status.INVESTIGATING})

MOVES: dict[str, Move] = {
    "acknowledge": Move(Status.ACKNOWLEDGED, _UNDECIDED, "acknowledged"),
    "dismiss": Move(Status.DISMISSED, _UNDECIDED, "dismissed"),
    "investigate": Move(Status.INVESTIGATING, frozenset({Status.PENDING}), "investigating"),
    "reopen": Move(Status.PENDING, frozenset(Status) - {Status.PENDING}, "reopened"),
}


class DecisionError(ValueError):
    """A decision that can't be taken as given; the message says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An anomaly that a decision left alone, and why, in words for whoever took it."""

    id: UUID
    status: str | None  # None: there is no such anomaly
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision did: the ids decided, and the refusals."""

    decided: tuple[UUID, ...]
    refused: tuple[Refusal, ...]


def allowed_moves(status: str) -> list[str]:
    """The decisions that may be taken about an anomaly of this status."""
    return [action for action, move in MOVES.items() if status in move.sources]


def decide(
    action: str, ids: Iterable[UUID], actor: Actor, *, reason: str | None = None, note: str = ""
) -> Outcome:
    """Take one decision about these anomalies, all in one transaction.

    ``action`` is a key of MOVES; a dismissal needs a ``reason`` (a DismissalReason), no other decision
    takes one; a ``note`` is added to the anomalies' notes. Anomalies whose status does not allow the
    decision are left as they are and reported. Raises DecisionError where nothing could be decided.
    """
    move = _move(action)
    _check_reason(action, reason)
    wanted = list(dict.fromkeys(ids))
    note = clean_note(note)
    with acting(actor, note=note or None):
        decided = _lock(wanted, move)
        Anomaly.objects.filter(pk__in=decided, status__in=move.sources).update(
            status=move.to, **_who_and_when(action, actor, reason), **_noted(note)
        )
        refused = _refusals(action, set(wanted) - set(decided))
    return Outcome(tuple(decided), tuple(refused))


def add_note(anomaly_id: UUID, actor: Actor, note: str) -> None:
    """Add a note without a decision. Raises DecisionError for an empty one."""
    note = clean_note(note)
    if not note:
        raise DecisionError("The note is empty.")
    with acting(actor, note=note):
        Anomaly.objects.filter(pk=anomaly_id).update(**_noted(note))


def clean_note(note: str) -> str:
    """The note without surrounding space. Raises DecisionError for what the database can't hold."""
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise DecisionError("The note holds a character that is no text (a lone surrogate).") from error
    if "\0" in note:
        raise DecisionError("The note holds a NUL character.")
    return note.strip()


def _move(action: str) -> Move:
    try:
        return MOVES[action]
    except KeyError:
        raise DecisionError(f"There is no decision {action!r}; there are {', '.join(MOVES)}.") from None


def _check_reason(action: str, reason: str | None) -> None:
    if action != "dismiss" and reason:
        raise DecisionError(f"Only a dismissal takes a reason, not to {action}.")
    if action == "dismiss" and reason not in DismissalReason.values:
        raise DecisionError(f"A dismissal needs a reason: {', '.join(DismissalReason.values)}.")


def _lock(ids: list[UUID], move: Move) -> list[UUID]:
    """Lock those that may move, in the order of their ids: overlapping bulks wait, and never deadlock."""
    movable = Anomaly.objects.filter(pk__in=ids, status__in=move.sources)
    return list(movable.select_for_update().order_by("pk").values_list("pk", flat=True))


def _who_and_when(action: str, actor: Actor, reason: str | None) -> dict[str, Any]:
    if action == "acknowledge":
        return {"acknowledged_by": actor.username, "acknowledged_at": Now()}
    if action == "dismiss":
        return {"dismissed_by": actor.username, "dismissed_at": Now(), "dismissal_reason": reason}
    if action == "investigate":
        return {"investigating_by": actor.username, "investigating_at": Now()}
    columns = ("acknowledged", "dismissed", "investigating")
    return {"dismissal_reason": None} | {f"{c}_{w}": None for c in columns for w in ("by", "at")}


def _noted(note: str) -> dict[str, Any]:
    if not note:
        return {}
    first, further = Value(note, TextField()), Value("\n" + note, TextField())
    nothing_yet = When(notes__isnull=True, then=first), When(notes="", then=first)
    return {"notes": Case(*nothing_yet, default=Concat("notes", further))}


def _refusals(action: str, ids: set[UUID]) -> list[Refusal]:
    found = {anomaly.pk: anomaly for anomaly in Anomaly.objects.without_evidence().filter(pk__in=ids)}
    return [_refusal(action, pk, found.get(pk)) for pk in sorted(ids)]


def _refusal(action: str, pk: UUID, anomaly: Anomaly | None) -> Refusal:
    if anomaly is None:
        return Refusal(pk, None, "there is no such anomaly")
    return Refusal(pk, anomaly.status, why_not(action, anomaly))


def why_not(action: str, anomaly: Anomaly) -> str:
    """Why this decision can't be taken about this anomaly now, and the way to it."""
    move = _move(action)
    if anomaly.status == Status.PENDING:
        return "it is pending already"
    state = f"{anomaly.get_status_display()}{_by_whom(anomaly)}"
    if anomaly.status == move.to:
        return f"it is {state} already"
    return f"it is {state}; reopen it first"


def _by_whom(anomaly: Anomaly) -> str:
    who: str | None = getattr(anomaly, f"{anomaly.status}_by")
    when: datetime | None = getattr(anomaly, f"{anomaly.status}_at")
    return (f" by {who}" if who else "") + (f" since {when:%Y-%m-%d %H:%M:%S} UTC" if when else "")
