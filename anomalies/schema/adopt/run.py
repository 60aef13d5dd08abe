"""An adoption from the dry run to the last migration, and its undo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from .. import catalog, drift
from ..catalog import Catalog
from ..contract_tables import TABLES, effect_of_down
from ..drift import Difference
from ..migrate import migration_state
from ..migrate.concurrent_indexes import unfinished
from ..migrate.lock_retries import GaveUp, Limits, Patience, session_of_a_migration
from ..migrate.locks import one_at_a_time
from ..own_schema import quoted, schema_of_tables
from ..poolers import own_session
from ..repairs import Step
from . import journal
from .drift_triage import Finding, sort
from .golang_migrate import CONTRACT, AdoptError, as_owner, check_place, check_version, golangs_lock
from .leftovers import explained, recorded_targets
from .rows import Sums, compare_with, contract_columns, look, unfit

Say = Callable[[str], None]

PATIENCE = 15.0  # seconds to wait for golang-migrate's lock, as golang-migrate itself does


@dataclass(frozen=True, slots=True)
class Adoption:
    """The result of an adoption or of its dry run: the findings; ``is_done`` if it was adopted before."""

    findings: tuple[Finding, ...]
    is_done: bool = False

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that a person has to resolve first."""
        return tuple(each for each in self.findings if each.verdict == "blocking")


@dataclass
class Expected:
    """The catalogs of the migrations up to the contract and of all migrations, built once in a scratch
    database.

    Tables of other apps whose migrations a failed run of ``migrate`` recorded count as part of the contract.
    """

    scratch: str | None = None
    _built: tuple[Catalog, Catalog] | None = field(default=None, init=False)

    def catalogs(self) -> tuple[Catalog, Catalog]:
        """The contract's catalog and the full one. Raises ScratchError."""
        if self._built is None:
            leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
            targets = [(migration_state.APP, CONTRACT), *recorded_targets()]
            contract, full = drift.expected_catalogs([targets, leaves], scratch=self.scratch)
            self._built = contract, full
        return self._built


def plan(scratch: str | None = None) -> Adoption:
    """The findings about this database. Raises AdoptError if golang-migrate did not make it."""
    with own_session(connection):
        return _plan(Expected(scratch))


def _plan(expected: Expected) -> Adoption:
    check_place()
    entry = journal.read()
    if entry is not None and entry.finished:
        if effect := effect_of_down():
            raise AdoptError(effect)
        return Adoption((), is_done=True)
    check_version()
    applied = _applied()
    if applied and entry is None:
        raise AdoptError("Django's migrations are in this database already; `schema check` compares it")
    return Adoption(() if applied else tuple(_findings(expected)))


def _applied() -> tuple[str, ...]:
    try:
        return migration_state.state().applied
    except DatabaseError as error:
        raise AdoptError("the table django_migrations is not Django's; rename or drop it") from error


def _findings(expected: Expected) -> Iterator[Finding]:
    live = catalog.read(connection)
    if not any(("table", table) in live for table in TABLES):
        raise AdoptError(
            f"none of the contract's tables is here, in the schema {schema_of_tables(connection)}"
        )
    contract, full = expected.catalogs()
    ours = {key for key in live if _is_the_journals(*key)}
    kept = {key: text for key, text in live.items() if key not in ours}
    # Django's own table of migrations may exist, empty or with other apps'; it is not part of the contract.
    wanted = {key: text for key, text in contract.items() if not _is_djangos(*key)}
    kept = {key: text for key, text in kept.items() if not _is_djangos(*key) or full.get(key) != text}
    found = [*sort(wanted, full, kept, schema_of_tables(connection)), *unfit(wanted, kept)]
    yield from (_with_dependents(finding) for finding in explained(found, full))


def _is_the_journals(kind: str, name: str) -> bool:
    return "schema_adoptions" in name


def _is_djangos(kind: str, name: str) -> bool:
    return "django_migrations" in name


def _with_dependents(finding: Finding) -> Finding:
    """The finding; blocking if the view has to be dropped and other views depend on it."""
    if finding.difference.kind != "view" or not any("DROP VIEW" in step.do for step in finding.steps):
        return finding
    with connection.cursor() as cursor:
        cursor.execute(_DEPENDENTS, [finding.difference.qualified(f'"{finding.difference.name}"')])
        names = [name for (name,) in cursor.fetchall()]
    if not names:
        return finding
    why = f"has other columns, and can't be replaced while {', '.join(names)} depends on it; drop that first"
    return Finding("blocking", finding.difference, why)


_DEPENDENTS = """
    SELECT DISTINCT ev_class::regclass::text FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND refobjid = to_regclass(%s) AND ev_class <> refobjid
"""


# --- there and back ---------------------------------------------------------------------------------------


def adopt(
    by: str, say: Say, with_checksums: bool = True, scratch: str | None = None, patience: float = PATIENCE
) -> Adoption:
    """Adopt the database, or continue an interrupted adoption. Raises AdoptError; no step is half done."""
    expected = Expected(scratch)
    with _at_work(say, patience) as steps_back:
        planned = _plan(expected)
        if planned.is_done or planned.blocking:
            return planned
        entry = journal.read()
        if entry is None:
            before = _look(say) if with_checksums else ()
            entry = journal.begin(by, check_version(), planned.findings, before)
        else:
            say("going on where a former run was cut off")
        for finding in planned.findings:
            for steps in _together(finding.steps):
                steps_back.try_until_done(str(finding), partial(_do, steps))
                for step in steps:
                    say(step.do)
        _write_down(expected, say)
        call_command("migrate", interactive=False, verbosity=0)
        say("migrated")
        if with_checksums:
            _compare(entry.before, say)
        journal.finish()
        return planned


def undo(say: Say, patience: float = PATIENCE) -> None:
    """Return an adopted database to the state that golang-migrate made. Raises AdoptError."""
    with _at_work(say, patience) as steps_back:
        entry = journal.read()
        if entry is None:
            raise AdoptError("this database was not adopted")
        if effect := effect_of_down():
            raise AdoptError(effect)
        before = _look(say)
        journal.reopen()
        _unmigrate(steps_back, say)
        for step in reversed(entry.steps):
            steps_back.try_until_done(step.undo, partial(_take_back, step))
            say(step.undo)
        _compare(before, say)
        journal.forget()


@contextmanager
def _at_work(say: Say, patience: float) -> Iterator[Patience]:
    """Hold golang-migrate's lock and ours and act as the tables' owner, with bounded waits for locks."""
    check_place()
    with (
        own_session(connection),
        golangs_lock(patience),
        session_of_a_migration(connection),
        one_at_a_time(connection, say),
        as_owner(),
    ):
        try:
            yield Patience(connection, Limits(), say)
        except GaveUp as error:
            raise AdoptError(f"{error}\nWhat is done is written down: run it again") from error
        except DatabaseError as error:
            raise AdoptError(
                f"{str(error).strip()}\nWhat is done is written down: mend that and run it again, or --undo"
            ) from error


def _together(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """The steps in groups of one transaction each."""
    for is_apart, group in groupby(steps, key=lambda step: step.alone or step.concurrently):
        together = list(group)
        yield from [[step] for step in together] if is_apart else [together]


def _do(steps: list[Step]) -> None:
    if steps[0].concurrently:
        journal.add(steps[0])
        _run_concurrently(steps[0].do)
        return
    with transaction.atomic():
        for step in steps:
            _run(step.do)
            journal.add(step)


def _take_back(step: Step) -> None:
    if step.concurrently:
        _run_concurrently(step.undo)
        journal.take_back()
        return
    with transaction.atomic():
        _run(step.undo)
        journal.take_back()


def _run_concurrently(statement: str) -> None:
    """Run a build after dropping an invalid index of a former one, which IF NOT EXISTS would keep."""
    for index in unfinished(connection):
        if re.match(rf'CREATE .* "?{re.escape(index.name)}"? ON ', statement):
            _run(f'DROP INDEX CONCURRENTLY IF EXISTS {quoted(schema_of_tables(connection))}."{index.name}"')
    _run(statement)


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _write_down(expected: Expected, say: Say) -> None:
    """Record the contract's migrations as applied, after checking that the catalog equals theirs."""
    if migration_state.state().applied:
        return
    left = [finding for finding in _findings(expected) if finding.verdict != "harmless"]
    if left:
        raise AdoptError("after the repairs there is still: " + "; ".join(map(str, left)))
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    names = migration_state.migration_names()
    with transaction.atomic():
        for name in names[: names.index(CONTRACT) + 1]:
            recorder.record_applied(migration_state.APP, name)
            say(f"written down: {name}")


def _unmigrate(patience: Patience, say: Say) -> None:
    """Migrate back to the contract and drop Django's own tables, without signals, which would refill them."""
    applied = migration_state.state().applied
    if applied and applied[-1] != CONTRACT:
        call_command("migrate", migration_state.APP, CONTRACT, interactive=False, verbosity=0)
    patience.try_until_done("taking Django's tables away", _unmigrate_the_others)
    _run(f"DROP TABLE IF EXISTS {quoted(schema_of_tables(connection))}.django_migrations")
    say(f"down to {CONTRACT}, and Django's own tables are gone")


def _unmigrate_the_others() -> None:
    executor = MigrationExecutor(connection)
    others = {app for app, _ in executor.loader.applied_migrations} - {migration_state.APP}
    executor.migrate([(app, None) for app in sorted(others) if app in executor.loader.migrated_apps])


def _look(say: Say) -> tuple[Sums, ...]:
    columns = contract_columns()
    found = tuple(look(table, columns[table]) for table in TABLES)
    for sums in found:
        say(f"{sums.table}: {sums.rows} rows summed up")
    return found


def _compare(before: Iterable[Sums], say: Say) -> None:
    for sums in before:
        say(compare_with(sums))


def without_known(differences: Iterable[Difference]) -> list[Difference]:
    """The differences without those that existed unchanged before the adoption."""
    entry = journal.read()
    return [each for each in differences if not journal.is_known(each, entry)]
