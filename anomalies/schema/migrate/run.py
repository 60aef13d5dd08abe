"""Django's migrations, each one atomic, one run at a time, with bounded waits for locks.

Django still decides which migrations are run, in which order, and with which SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from django.core.management.commands import migrate as django_migrate
from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from . import run_marker as notes
from .concurrent_indexes import Editor, mend, unfinished
from .lock_retries import Limits, Patience, session_of_a_migration
from .locks import Say, one_at_a_time
from .run_marker import Note

Plan = list[tuple[Migration, bool]]

# Writers lock the changed table first and the audit log second, because triggers write it. A migration that
# locks in the reverse order could deadlock with a writer, so it locks these tables before it begins.
_LOCKED_FIRST = {("anomalies.0011_record", True): ("anomalies", "detection_config")}


@contextmanager
def guarded(connection: BaseDatabaseWrapper, limits: Limits, say: Say) -> Iterator[None]:
    """A context in which Django's migrate command is subject to the limits and no other run can migrate.

    It first reports the leftovers of an interrupted run. Raises GaveUp if a lock can't be obtained in time.
    """
    with session_of_a_migration(connection), one_at_a_time(connection, say):
        patience = Patience(connection, limits, say)
        former = _report_former(connection, say)
        with _replaced(connection, "SchemaEditorClass", partial(Editor, patience)):
            # Django has no setting for the executor; its command finds it by this name.
            executor = partial(Executor, patience, former)
            with _replaced(django_migrate, "MigrationExecutor", executor):
                yield


class Executor(MigrationExecutor):
    """Django's executor; each migration is recorded in its own transaction and retried if a lock is taken."""

    def __init__(
        self, patience: Patience, former: Note | None, connection: BaseDatabaseWrapper, tell: Any = None
    ) -> None:
        super().__init__(connection, self._progress)
        self._patience, self._former, self._tell = patience, former, tell or (lambda *action: None)
        self._session = connection.connection
        self._begun: Migration | None = None
        self._ended: tuple[Any, ...] = ()

    def migrate(self, targets: Any, plan: Any = None, *args: Any, **options: Any) -> ProjectState:
        """The state after the migrations. During the run a note on django_migrations holds the plan."""
        fake = bool(options.get("fake"))
        if not fake:
            self._finish_taken_back(plan or [])
        if plan:
            names = [_name(migration) for migration, _ in plan]
            notes.write(self.connection, Note(names, backwards=plan[0][1]))
        try:
            state = super().migrate(targets, plan, *args, **options)
        except BaseException:
            # Kept for a migration that is partly taken back, because it is still recorded as applied.
            if self._begun is None or self._begun.atomic or not plan[0][1]:
                self._clear_note()
            raise
        if not fake and unfinished(self.connection):
            self._patience.try_until_done(
                "mending indexes", lambda: mend(self.connection, self._patience, state.apps.get_models())
            )
        self._clear_note()
        return state

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        """The state after the migration."""
        do = super().apply_migration
        return self._whole(migration, False, lambda: do(state.clone(), migration, fake, fake_initial))

    def unapply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False
    ) -> ProjectState:
        """The state before the migration."""
        do = super().unapply_migration
        return self._whole(migration, True, lambda: do(state.clone(), migration, fake))

    def _whole(self, migration: Migration, backwards: bool, do: Callable[[], ProjectState]) -> ProjectState:
        """Run a migration and its record in one transaction: Django records some only after theirs."""

        def step() -> ProjectState:
            with transaction.atomic(self.connection.alias) if migration.atomic else nullcontext():
                self._lock_first(_LOCKED_FIRST.get((_name(migration), backwards), ()))
                return do()

        state = self._patience.try_until_done(_name(migration), step)
        self._tell(*self._ended)
        return state

    def _lock_first(self, tables: tuple[str, ...]) -> None:
        if tables:
            with self.connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")

    def _progress(self, action: str, migration: Migration | None = None, fake: bool | None = False) -> None:
        """Pass on Django's progress: a start once, however often it is retried, an end after the COMMIT."""
        if action.endswith("apply_success"):
            self._ended = (action, migration, fake)
        elif migration is None or migration is not self._begun:
            self._begun = migration or self._begun
            self._tell(action, migration, fake)

    def _finish_taken_back(self, plan: Plan) -> None:
        """Reapply a migration that an interrupted run took back in part, unless this run takes it back."""
        if self._former is None or not self._former.backwards:
            return
        going = {_name(migration) for migration, _ in plan}
        for key in self.loader.applied_migrations:
            migration = self.loader.graph.nodes.get(key)
            if migration is None or migration.atomic or _name(migration) in going:
                continue
            if _name(migration) in self._former.to_do:
                self._patience.say(f"{_name(migration)} may be taken back in part; applying it again")
                self._patience.try_until_done(_name(migration), partial(self._apply_again, key, migration))

    def _apply_again(self, key: tuple[str, str], migration: Migration) -> None:
        with self.connection.schema_editor(atomic=False) as editor:
            migration.apply(self.loader.project_state(key, at_end=False), editor)

    def _clear_note(self) -> None:
        # A new connection does not hold the lock: the note may be another run's by then.
        if self.connection.connection is self._session:
            with suppress(Error):
                notes.clear(self.connection)


def _name(migration: Migration) -> str:
    return f"{migration.app_label}.{migration.name}"


def _report_former(connection: BaseDatabaseWrapper, say: Say) -> Note | None:
    former = notes.read(connection)
    left = [f"index {index.name} of {index.table}" for index in unfinished(connection)]
    if former is not None:
        for line in notes.summary(connection, former, left):
            say(line)
    elif left:
        say(f"left unfinished by an interrupted build or drop: {', '.join(left)}")
    return former


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
