"""Adopting, from the first look to the last migration; and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from .. import catalog, drift, state
from ..checksums import Checksum, checksum
from . import journal
from .golang import AdoptError, check_version, golangs_lock
from .sorting import TABLES, Finding, Step, sort

CONTRACT = "0004_default_config"  # up to here our migrations make what golang-migrate made
LOCK_TIMEOUT = "2s"
ATTEMPTS = 30

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting comes to: what was found, and whether there is nothing left to do."""

    findings: tuple[Finding, ...]
    is_done: bool = False

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What has to be mended by hand first."""
        return tuple(each for each in self.findings if each.verdict == "blocking")


def plan() -> Adoption:
    """What adopting this database would do. Raises AdoptError for one that is none of golang-migrate's."""
    entry = journal.read()
    if entry is not None and entry.finished:
        return Adoption((), is_done=True)
    check_version()
    now = state.state()
    if now.applied and entry is None:
        raise AdoptError("Django's migrations are in this database already; `schema check` compares it")
    if now.applied:
        return Adoption(())
    return Adoption(tuple(_findings()))


def _findings() -> list[Finding]:
    contract = drift.expected_catalog([(state.APP, CONTRACT)])
    full = drift.expected_catalog(MigrationExecutor(connection).loader.graph.leaf_nodes())
    live = catalog.read(connection)
    if not any(("table", table) in live for table in TABLES):
        raise AdoptError("none of the contract's tables is here, in the schema public")
    mine = {("table", "schema_adoptions"), ("table", "django_migrations")}
    kept = {key: text for key, text in live.items() if key not in mine and "schema_adoptions" not in key[1]}
    return [*sort(contract, full, kept), *_broken_rules(contract, kept)]


def adopt(by: str, say: Say, with_checksums: bool = True) -> Adoption:
    """Take the database over; what was interrupted goes on. Raises AdoptError, with nothing half done."""
    with golangs_lock():
        planned = plan()
        if planned.is_done:
            return planned
        if planned.blocking:
            raise AdoptError(f"{len(planned.blocking)} differences block it; mend them by hand first")
        before = _checksums(say) if with_checksums else None
        entry = journal.begin(by, check_version(), planned.findings)
        for finding in planned.findings:
            _repair(entry, finding, say)
        _write_down(say)
        call_command("migrate", interactive=False, verbosity=0)
        say("migrated")
        told = _compared(before, say) if before is not None else None
        journal.finish(entry, told)
        return planned


def undo(say: Say) -> None:
    """Bring an adopted database back to what golang-migrate made. Raises AdoptError."""
    with golangs_lock():
        entry = journal.read()
        if entry is None:
            raise AdoptError("this database was not adopted")
        before = _checksums(say)
        _unmigrate(say)
        for step in reversed(entry.steps):
            _patiently(partial(_run, [step.undo], step.concurrently))
            say(step.undo)
        _compared(before, say)
        journal.forget()


# --- doing ------------------------------------------------------------------------------------------------


def _repair(entry: journal.Entry, finding: Finding, say: Say) -> None:
    for step_kind, group in groupby(finding.steps, key=lambda step: (step.alone, step.concurrently)):
        steps = list(group)
        for part in [[step] for step in steps] if any(step_kind) else [steps]:
            _patiently(partial(_do, entry, part))
            for step in part:
                say(step.do)


def _do(entry: journal.Entry, steps: list[Step]) -> None:
    if any(step.concurrently for step in steps):
        (step,) = steps
        journal.add(entry, step)
        _run([step.do], concurrently=True)
        return
    with transaction.atomic():
        for step in steps:
            journal.add(entry, step)
        _run([step.do for step in steps], concurrently=False)


def _run(statements: Iterable[str], concurrently: bool) -> None:
    with connection.cursor() as cursor:
        if concurrently:
            cursor.execute("SET statement_timeout = 0")
            for statement in statements:
                cursor.execute(statement)
            return
        with transaction.atomic():
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = 0")
            for statement in statements:
                cursor.execute(statement)


def _patiently(work: Callable[[], None]) -> None:
    """Try until the locks are had: waiting longer for one would make everybody else queue behind us."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != "55P03":  # lock_not_available
                raise
            if attempt == ATTEMPTS:
                raise AdoptError(
                    "a table is locked by others for too long; what is done is written down, run it again"
                ) from error
            time.sleep(min(attempt * 0.2, 2.0))
        else:
            return


def _write_down(say: Say) -> None:
    """Record the contract's migrations, now that the catalog is what they make."""
    if state.state().applied:
        return
    left = [finding for finding in _findings() if finding.verdict != "harmless"]
    if left:
        raise AdoptError("after the repairs there is still: " + "; ".join(map(str, left)))
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    names = state.migration_names()
    with transaction.atomic():
        for name in names[: names.index(CONTRACT) + 1]:
            recorder.record_applied(state.APP, name)
            say(f"written down: {name}")


def _unmigrate(say: Say) -> None:
    """Back to the contract, and Django's own tables away; no signal, for they would fill those again."""
    if state.state().version != CONTRACT and state.state().applied:
        call_command("migrate", state.APP, CONTRACT, interactive=False, verbosity=0)
    executor = MigrationExecutor(connection)
    others = {app for app, _ in executor.loader.applied_migrations} - {state.APP}
    executor.migrate([(app, None) for app in sorted(others) if app in executor.loader.migrated_apps])
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.django_migrations")
    say(f"down to {CONTRACT}, and Django's own tables are gone")


# --- the rows ---------------------------------------------------------------------------------------------


def _checksums(say: Say) -> dict[str, tuple[list[str], str, Checksum]]:
    """Each table's columns, the snapshot that was looked at, and the checksum of the rows in it."""
    found = {}
    contract = _contract_columns()
    for table in TABLES:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_current_snapshot()::text")
            (snapshot,) = cursor.fetchone()
            columns = [name for name in contract[table] if name != "updated_at"]
            found[table] = (columns, snapshot, checksum(table, columns))
        say(f"{table}: {found[table][2]}")
    return found


def _contract_columns() -> dict[str, list[str]]:
    """The columns that are there in every state of the schema: ours come and go."""
    loader = MigrationExecutor(connection).loader
    models = loader.project_state((state.APP, CONTRACT)).apps.get_app_config(state.APP).get_models()
    return {m._meta.db_table: [field.column for field in m._meta.concrete_fields] for m in models}


# A row that somebody wrote meanwhile is not in the snapshot. xmin is the lower half of a transaction's id.
_SEEN = sql.SQL(
    """
    pg_visible_in_snapshot((
        (pg_snapshot_xmax({snapshot}::pg_snapshot)::text::bigint >> 32 << 32) + xmin::text::bigint
        - CASE WHEN xmin::text::bigint > pg_snapshot_xmax({snapshot}::pg_snapshot)::text::bigint & 4294967295
               THEN 4294967296 ELSE 0 END
    )::text::xid8, {snapshot}::pg_snapshot)
    """
)


def _compared(before: dict[str, tuple[list[str], str, Checksum]], say: Say) -> dict[str, str]:
    """The checksums again, of the rows that were there before. Raises AdoptError where one differs."""
    told = {}
    for table, (columns, snapshot, former) in before.items():
        now = checksum(table, columns, where=_SEEN.format(snapshot=sql.Literal(snapshot)))
        if now != former:
            raise AdoptError(
                f"{table}: {former} before, {now} after: somebody changed rows meanwhile, "
                "or they were harmed; compare with your backup"
            )
        told[table] = str(now)
    say(f"every row is as it was: {', '.join(told)}")
    return told


def _broken_rules(contract: catalog.Catalog, live: catalog.Catalog) -> Iterator[Finding]:
    """Rows that break a CHECK that is to be added, or a column that is to be NOT NULL."""
    for (kind, name), expected in contract.items():
        found = live.get((kind, name))
        if found == expected or ("table", _table_of(kind, name)) not in live:
            continue
        condition = _condition(kind, name, expected)
        if condition is None or (kind == "column" and found is None):
            continue
        count, ids = _rows_against(_table_of(kind, name), condition)
        if count:
            difference = drift.Difference(kind, name, expected, found)
            some = ", ".join(ids)
            yield Finding("blocking", difference, f"{count} rows break it: {some}{' …' if count > 5 else ''}")


def _table_of(kind: str, name: str) -> str:
    return name.split(".")[0] if kind == "column" else name.rpartition(" on ")[2]


def _condition(kind: str, name: str, expected: str) -> str | None:
    if kind == "constraint" and expected.startswith("CHECK"):
        return expected.removeprefix("CHECK ")
    if kind == "column" and " NOT NULL" in expected:
        return f'("{name.split(".")[1]}" IS NOT NULL)'
    if kind == "index" and name.startswith("idx_detection_config_active"):
        return "(NOT is_active OR (SELECT count(*) FROM public.detection_config WHERE is_active) < 2)"
    return None


def _rows_against(table: str, condition: str) -> tuple[int, list[str]]:
    found = sql.SQL("SELECT id::text FROM {} WHERE NOT ({})").format(
        sql.Identifier(table), sql.SQL(condition)
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*), (array_agg(id))[1:5] FROM ({}) AS broken").format(found))
        count, ids = cursor.fetchone()
    return count, ids or []
