"""The triage rules: allowed moves between statuses, who decided and when. Writes status, as ``undo`` does.

    pending ──investigate──▶ investigating
    pending, investigating ──acknowledge──▶ acknowledged   (it is real)
    pending, investigating ──dismiss──▶ dismissed          (it is not, for a reason)
    investigating, acknowledged, dismissed ──reopen──▶ pending

Optimistic concurrency control: a decision names the version of each anomaly that the form was opened with. An
anomaly that has another version by now is skipped, even where its status would allow the move, and the
refusal says who changed it since then. The rows are locked first, in the order of their ids: of two decisions
at the same moment one wins, the other is refused with a reason, and neither deadlocks. A form submitted twice
(same ``batch``) is one change. One anomaly is a bulk of one. A decision ends a snooze. ``hold`` writes what
is no decision, assignment and snooze, by the same rules. The surface checks the permission (``permissions``);
triggers write the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db.models import BooleanField, Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat
from django.utils.translation import gettext as _

from anomalies.audit import Actor, Entry, acting, latest
from anomalies.fields import Now
from anomalies.models import OPEN, Anomaly, DismissalReason, Status


@dataclass(frozen=True, slots=True)
class Move:
    """A decision: where it leads, and from where; ``done`` is its participle."""

    to: Status
    sources: frozenset[Status]
    done: str


_UNDECIDED = frozenset(OPEN)

MOVES: dict[str, Move] = {
    "acknowledge": Move(Status.ACKNOWLEDGED, _UNDECIDED, "acknowledged"),
    "dismiss": Move(Status.DISMISSED, _UNDECIDED, "dismissed"),
    "investigate": Move(Status.INVESTIGATING, frozenset({Status.PENDING}), "investigating"),
    "reopen": Move(Status.PENDING, frozenset(Status) - {Status.PENDING}, "reopened"),
}
AWAKE: dict[str, Any] = dict.fromkeys(Anomaly.SNOOZE)


_IDS_PER_STATEMENT = 5_000


class DecisionError(ValueError):
    """A decision that can't be taken as given; the message says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An anomaly that a decision skipped, and the reason in a sentence.

    ``changed``: it has another version than the form was opened with; it can be decided after another look.
    """

    id: UUID
    status: str | None  # None: there is no such anomaly
    why: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """Anomalies that were skipped for one reason: how many, and the ids of the first of them."""

    why: str
    count: int
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a decision: the ids decided, the refusals, and the ids that the same form decided before.

    ``batch`` names the decision for an undo.
    """

    decided: tuple[UUID, ...]
    refused: tuple[Refusal, ...]
    repeated: tuple[UUID, ...] = ()
    batch: UUID | None = None

    @property
    def changed(self) -> tuple[Refusal, ...]:
        """The refusals of anomalies that changed since the form was opened."""
        return tuple(refusal for refusal in self.refused if refusal.changed)


@dataclass(frozen=True, slots=True)
class Hold:
    """A write that is no decision, such as an assignment; ``action`` is its name in the audit log.

    It applies to anomalies whose status is in ``sources``, except where it is so already (``unless``);
    ``why_not`` gives the reason for any other. The ``note`` goes into the audit log only.
    """

    action: str
    values: Mapping[str, Any]
    why_not: Callable[[Anomaly], str]
    sources: frozenset[Status] = frozenset(Status)
    unless: Q | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Deed:
    """A write to anomalies: its values, the statuses that allow it, the actor and the expected versions."""

    action: str  # its name in the audit log
    to: Status | None  # None: the status stays
    sources: frozenset[Status]
    values: Mapping[str, Any]
    actor: Actor
    note: str
    reason: str | None
    seen: Mapping[UUID, int] | None
    batch: UUID | None
    why_not: Callable[[Anomaly], str]
    unless: Q | None = None
    is_noted: bool = True  # whether the note is added to the anomaly's notes

    def may(self, pk: UUID, status: str, version: int, is_so: bool) -> bool:
        return status in self.sources and not is_so and (self.seen is None or self.seen.get(pk) == version)

    def is_repeated_by(self, entry: Entry | None) -> bool:
        """True for an audit entry that the same form wrote when it was submitted before."""
        if entry is None or self.batch is None or entry.batch != str(self.batch):
            return False
        said = (entry.username, entry.action, entry.note or "", entry.reason)
        return said == (self.actor.username, self.action, self.note, self.reason)


def allowed_moves(status: str) -> list[str]:
    """The decisions that may be taken about an anomaly of this status."""
    return [action for action, move in MOVES.items() if status in move.sources]


def decide(
    action: str,
    ids: Iterable[UUID],
    actor: Actor,
    *,
    reason: str | None = None,
    note: str = "",
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
) -> Outcome:
    """Take one decision about these anomalies, all in one transaction.

    ``action`` is a key of MOVES; a dismissal needs a ``reason`` (a DismissalReason), no other decision takes
    one; a ``note`` is added to the anomalies' notes. ``seen`` holds the expected version of each anomaly: one
    that has another version, or is not in it, is skipped; without ``seen`` only the status counts. ``batch``
    names the form: a decision that it took already is neither repeated nor refused. Anomalies whose status
    does not allow the decision are skipped and reported. Raises DecisionError where nothing could be decided.
    """
    return _write(_deed(action, actor, reason, note, seen, batch), ids)


def decide_as_seen(
    action: str, rows: QuerySet[Any], actor: Actor, *, reason: str | None = None, note: str = "", batch: UUID
) -> int:
    """Take one decision about all of ``rows``, which name anomalies (``anomaly_id``) and their ``version``.

    Returns how many were decided. As ``decide``, in SQL alone, for more rows than are worth reading into
    Python: an anomaly with another version, or a status that does not allow it, is skipped.
    """
    deed = _deed(action, actor, reason, note, None, batch)
    with acting(actor, note=deed.note or None, batch=str(batch)):
        return _update(deed, Anomaly.objects.filter(_locked_as_seen(rows)))


def hold(
    what: Hold,
    ids: Iterable[UUID],
    actor: Actor,
    *,
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
) -> Outcome:
    """Write what is no decision, by the rules of ``decide`` on versions, batches and locks."""
    how = (actor, what.note, None, seen, batch, what.why_not, what.unless, False)
    return _write(_Deed(what.action, None, what.sources, what.values, *how), ids)


def check(action: str, reason: str | None, note: str) -> None:
    """Raises DecisionError where a decision can't be taken as given, whatever it is about."""
    _deed(action, Actor(""), reason, note, None, None)


def add_note(
    anomaly_id: UUID, actor: Actor, note: str, *, seen: int | None = None, batch: UUID | None = None
) -> Outcome:
    """Add a note without a decision; ``seen`` and ``batch`` as in ``decide``.

    Appending loses nothing of what others wrote, but the note was written about the version that the form was
    opened with, and may be wrong about another. So it is refused as a decision is. Raises DecisionError for
    an empty note.
    """
    note = clean_note(note)
    if not note:
        raise DecisionError(_("The note is empty."))
    versions = None if seen is None else {anomaly_id: seen}
    how = (actor, note, None, versions, batch, lambda anomaly: "")
    return _write(_Deed("update", None, frozenset(Status), {}, *how), [anomaly_id])


def clean_note(note: str, what: str = "note") -> str:
    """The note without surrounding space. Raises DecisionError for text that PostgreSQL can't store."""
    try:
        note.encode()
    except UnicodeEncodeError as error:
        of_comment = _("The comment holds a character that is no text (a lone surrogate).")
        of_note = _("The note holds a character that is no text (a lone surrogate).")
        raise DecisionError(of_comment if what == "comment" else of_note) from error
    if "\0" in note:
        of_comment, of_note = _("The comment holds a NUL character."), _("The note holds a NUL character.")
        raise DecisionError(of_comment if what == "comment" else of_note)
    return note.strip()


def _move(action: str) -> Move:
    try:
        return MOVES[action]
    except KeyError:
        about = {"action": repr(action), "known": ", ".join(MOVES)}
        raise DecisionError(_("There is no decision %(action)s; there are %(known)s.") % about) from None


def _deed(
    action: str,
    actor: Actor,
    reason: str | None,
    note: str,
    seen: Mapping[UUID, int] | None,
    batch: UUID | None,
) -> _Deed:
    move = _move(action)
    _check_reason(action, reason)
    values = _who_and_when(action, actor, reason) | AWAKE
    how = (actor, clean_note(note), reason, seen, batch, partial(why_not, action))
    return _Deed(action, move.to, move.sources, values, *how)


def _check_reason(action: str, reason: str | None) -> None:
    if action != "dismiss" and reason:
        raise DecisionError(_("Only a dismissal takes a reason, not to %(action)s.") % {"action": action})
    if action == "dismiss" and reason not in DismissalReason.values:
        known = ", ".join(DismissalReason.values)
        raise DecisionError(_("A dismissal needs a reason: %(known)s.") % {"known": known})


def _write(deed: _Deed, ids: Iterable[UUID]) -> Outcome:
    wanted = list(dict.fromkeys(ids))
    batch = deed.batch or uuid4()
    with acting(deed.actor, note=deed.note or None, batch=str(batch)):
        locked = _lock(wanted, deed.unless)
        repeated = _repeated(deed, [row[0] for row in locked])
        decided = [row[0] for row in locked if row[0] not in repeated and deed.may(*row)]
        for part in _parts(decided):
            _update(deed, Anomaly.objects.filter(pk__in=part))
        return replace(_outcome(deed, decided, set(wanted) - set(decided)), batch=batch)


def _lock(ids: list[UUID], unless: Q | None) -> list[tuple[UUID, str, int, bool]]:
    """Lock them in the order of their ids: overlapping bulks wait for each other, and never deadlock."""
    so = When(unless, then=Value(True)) if unless is not None else None
    is_so = Case(so, default=Value(False)) if so else Value(False, BooleanField())
    locked: list[tuple[UUID, str, int, bool]] = []
    for part in _parts(sorted(ids)):
        rows = Anomaly.objects.filter(pk__in=part).select_for_update().order_by("pk")
        locked += rows.values_list("pk", "status", "version", is_so)
    return locked


def _locked_as_seen(rows: QuerySet[Any]) -> RawSQL:
    """The condition of being one of ``rows`` in its version, which locks them in the order of their ids.

    In one statement, and by where they lie in the table, so that each is looked up once. Whoever had to be
    waited for left another version, at another place: neither matches.
    """
    named, values = rows.values_list("anomaly_id", "version").query.sql_with_params()
    places = (
        f"SELECT anomalies.ctid FROM ({named}) AS seen (id, version) "  # noqa: S608 - Django wrote the rest
        "JOIN anomalies ON anomalies.id = seen.id AND anomalies.version = seen.version "
        "ORDER BY anomalies.id FOR UPDATE OF anomalies"
    )
    return RawSQL(f"anomalies.ctid = ANY (ARRAY({places}))", values, BooleanField())  # noqa: S611 - so here


def _repeated(deed: _Deed, ids: list[UUID]) -> set[UUID]:
    """The ids that the same form changed before; a second decision is refused by the status anyway."""
    if deed.batch is None or deed.to is not None or deed.seen is not None:
        return set()
    return {pk for pk, entry in latest(ids).items() if deed.is_repeated_by(entry)}


def _parts(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """The ids in parts that one statement can name."""
    return (ids[start : start + _IDS_PER_STATEMENT] for start in range(0, len(ids), _IDS_PER_STATEMENT))


def _update(deed: _Deed, rows: QuerySet[Any]) -> int:
    """Write to the rows whose status allows it; returns how many."""
    columns = {**deed.values, **(_noted(deed.note) if deed.is_noted else {})}
    return rows.filter(status__in=deed.sources).update(status=deed.to or F("status"), **columns)


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


def _outcome(deed: _Deed, decided: list[UUID], rest: Collection[UUID]) -> Outcome:
    """The result; the rest is locked as well, so its reasons hold until the transaction's end."""
    rows = Anomaly.objects.without_evidence().filter(pk__in=rest) if rest else ()
    found = {anomaly.pk: anomaly for anomaly in rows}
    last = latest(found) if found and (deed.seen is not None or deed.batch) else {}
    repeated = [pk for pk in sorted(found) if deed.is_repeated_by(last.get(pk))]
    left = sorted(set(rest) - set(repeated))
    refused = [_refusal(deed, pk, found.get(pk), last.get(pk)) for pk in left]
    return Outcome(tuple(decided), tuple(refused), tuple(repeated))


def _refusal(deed: _Deed, pk: UUID, anomaly: Anomaly | None, last: Entry | None) -> Refusal:
    if anomaly is None:
        return Refusal(pk, None, "there is no such anomaly")
    if deed.seen is not None and deed.seen.get(pk) != anomaly.version:
        return Refusal(pk, anomaly.status, _changed(last, known=bool(deed.seen.get(pk))), changed=True)
    return Refusal(pk, anomaly.status, deed.why_not(anomaly))


def _changed(last: Entry | None, known: bool) -> str:
    if not known:
        return _("it came without the version that was seen; look at it again")
    if last is None or last.action == "create":
        return _("it was written since you saw it, though nothing that is on record changed")
    return _("changed since you saw it: %(change)s") % {"change": last.summary}


def why_not(action: str, anomaly: Anomaly) -> str:
    """Return the reason why this decision can't be made about this anomaly now, and the alternative."""
    return why_not_from(action, anomaly.status, _by_whom(anomaly))


def why_not_from(action: str, status: str, by_whom: str = "") -> str:
    """The same for anomalies of a status, whoever set it."""
    move = _move(action)
    if status == Status.PENDING:
        return _("it is pending already")
    state = f"{Status(status).label}{by_whom}"
    if status == move.to:
        return _("it is %(state)s already") % {"state": state}
    return _("it is %(state)s; reopen it first") % {"state": state}


def _by_whom(anomaly: Anomaly) -> str:
    if anomaly.status == Status.PENDING:
        return ""
    who: str | None = getattr(anomaly, f"{anomaly.status}_by")
    when: datetime | None = getattr(anomaly, f"{anomaly.status}_at")
    by = _(" by %(name)s") % {"name": who} if who else ""
    return by + (_(" since %(when)s") % {"when": f"{when:%Y-%m-%d %H:%M:%S} UTC"} if when else "")
