"""A marker of a running migrate on the table ``django_migrations``, read by the next run after a kill.

Django records a migration when it is complete, but neither the plan of a run nor its existence. Both are
written before the first step as the comment of that table, and removed at the end (``\\dt+
django_migrations`` shows it). A comment needs no table that another tool could trip over.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from django.db import ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from psycopg import sql

_PREFIX = "a migrate is at work: "
_TABLE = "django_migrations"


@dataclass(frozen=True, slots=True)
class Note:
    """A run's start time and user, and the migrations that it was to apply or, ``backwards``, take back."""

    to_do: list[str]
    backwards: bool
    began: str = field(default_factory=lambda: f"{timezone.now():%Y-%m-%d %H:%M:%S %Z}")
    by: str = field(default_factory=lambda: _who())


def write(connection: BaseDatabaseWrapper, note: Note) -> None:
    """Write the note; does nothing if the role may not (another role owns the table)."""
    MigrationRecorder(connection).ensure_schema()
    _comment(connection, _PREFIX + json.dumps(asdict(note)))


def clear(connection: BaseDatabaseWrapper) -> None:
    """Remove the note."""
    if read(connection) is not None:
        _comment(connection, None)


def read(connection: BaseDatabaseWrapper) -> Note | None:
    """The present note, or None. To the holder of the migration lock it means that its writer was killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [_TABLE])
        text = cursor.fetchone()[0] or ""
    if not text.startswith(_PREFIX):
        return None
    try:
        return Note(**json.loads(text.removeprefix(_PREFIX)))
    except (TypeError, ValueError):  # a comment by somebody else
        return None


def summary(connection: BaseDatabaseWrapper, note: Note, unfinished: Iterable[str]) -> list[str]:
    """Lines about an interrupted run: the migrations done, those not done, and ``unfinished`` objects."""
    recorded = MigrationRecorder(connection).applied_migrations()
    applied = {f"{app}.{name}": row.applied for (app, name), row in recorded.items()}
    done = [name for name in note.to_do if (name in applied) != note.backwards]
    left = [name for name in note.to_do if name not in done]
    verb = "taken back" if note.backwards else "applied"
    times = [f"{name} ({applied[name]:%H:%M:%S})" if name in applied else name for name in done]
    return [
        f"a former migrate was cut off; it began at {note.began}, {note.by}",
        f"  {verb}: {', '.join(times) or 'nothing'}",
        f"  not {verb}: {', '.join(left) or 'nothing'}",
        *(f"  left unfinished: {what}" for what in unfinished),
    ]


def _comment(connection: BaseDatabaseWrapper, text: str | None) -> None:
    statement = sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(_TABLE), sql.Literal(text))
    with suppress(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(statement)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"by {user} on {socket.gethostname()}, process {os.getpid()}"
