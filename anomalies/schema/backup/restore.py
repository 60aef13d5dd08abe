"""A restore: a backup into an empty database, all or nothing, then compared with its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from ..poolers import PoolerError, own_session
from .archive import roles_in
from .dump import PIECE, Progress, Say
from .manifest import Contents, Manifest, contents_of, manifest_of, read_manifest
from .pg_binaries import NEW_SETTING_FROM, BackupError, Program, find, major, running, server_version

# Objects that make a database non-empty: relations, functions, types, schemas; not those of an extension.
_THINGS = """
    WITH things AS (
        SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                    WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind,
               relnamespace AS schema, relname AS name, 'pg_class'::regclass AS catalog, oid FROM pg_class
        WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
        UNION ALL SELECT 'function', pronamespace, proname, 'pg_proc'::regclass, oid FROM pg_proc
        UNION ALL SELECT 'type', typnamespace, typname, 'pg_type'::regclass, oid FROM pg_type
        WHERE typtype IN ('d', 'e', 'r')
        UNION ALL SELECT 'schema', oid, nspname, 'pg_namespace'::regclass, oid FROM pg_namespace
        WHERE nspname <> 'public'
    )
    SELECT kind || ' ' || name FROM things JOIN pg_namespace AS n ON n.oid = schema
    WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%%'
        AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE classid = catalog AND objid = things.oid AND deptype = 'e')
    ORDER BY kind <> 'table', kind, name
"""
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: the manifest, the differences from it (none after a success), and the
    migrations that ``manage.py migrate`` would apply now."""

    manifest: Manifest
    differences: list[str]
    to_migrate: list[str]


def restore(
    file: Path,
    connection: BaseDatabaseWrapper,
    *,
    pg_bin: Path | None = None,
    privileges: bool = True,
    say: Say,
    progress: Progress,
) -> Restored:
    """Restore ``file`` into the empty database of ``connection`` and verify it.

    All checks are made before anything is written; pg_restore works in one transaction. Grants are restored
    unless ``privileges`` is False. Raises BackupError; then nothing was restored.
    """
    manifest = read_manifest(manifest_of(file))
    try:
        with own_session(connection):
            return _restore(file, manifest, connection, pg_bin, privileges, say, progress)
    except PoolerError as error:
        raise BackupError(str(error)) from error
    except DatabaseFailure as error:
        reason = str(error).strip().partition("\n")[0]
        raise BackupError(f"the database failed: {reason}") from error


def _restore(
    file: Path,
    manifest: Manifest,
    connection: BaseDatabaseWrapper,
    pg_bin: Path | None,
    privileges: bool,
    say: Say,
    progress: Progress,
) -> Restored:
    version = server_version(connection)
    pg_restore = _program(manifest, connection, pg_bin, major(version), version)
    _check_database(manifest, connection)
    for app in _check_migrations(manifest.contents.migrations, connection):
        say(f"the backup has tables of {app}, an app that this Driftlock does not have")
    say(f"reading {file.name}: {manifest.size:,} bytes of {manifest.made_at}")
    _check_dump(file, manifest, progress)
    if privileges:
        _check_roles(file, pg_restore, connection)
    say(f"restoring with pg_restore {pg_restore.version} into PostgreSQL {version}")
    _pg_restore(file, pg_restore, connection, privileges, progress)
    return _verified(manifest, connection, say)


def _program(
    manifest: Manifest, connection: BaseDatabaseWrapper, pg_bin: Path | None, server: int, version: str
) -> Program:
    came_from, dumped_by = major(manifest.server_version), major(manifest.dump_version)
    if came_from > server:
        raise BackupError(
            f"the backup comes from PostgreSQL {manifest.server_version}, this server is {version}: "
            f"restore it into PostgreSQL {came_from} or newer."
        )
    if dumped_by >= NEW_SETTING_FROM > server:
        raise BackupError(
            f"the backup was made by pg_dump {manifest.dump_version}, which PostgreSQL {version} does not "
            f"understand: restore it into {NEW_SETTING_FROM} or newer, or dump with pg_dump {server} "
            "(--pg-bin)."
        )
    below = NEW_SETTING_FROM if server < NEW_SETTING_FROM else None
    return find("pg_restore", connection, pg_bin, max(server, dumped_by), below)


def _check_database(manifest: Manifest, connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), getdatabaseencoding()")
        name, encoding = cursor.fetchone()
        cursor.execute(_THINGS)
        there = [thing for (thing,) in cursor.fetchall()]
    if there:
        raise BackupError(
            f"database {name} is not empty; it has {_some(there)}. A restore goes into an empty database "
            "only: make a new one, and name it in DATABASE_URL."
        )
    if encoding != manifest.encoding:
        raise BackupError(
            f"database {name} is encoded in {encoding}, the backup in {manifest.encoding}; make one with "
            f"createdb --encoding={manifest.encoding} --template=template0."
        )


def _check_migrations(applied: Iterable[tuple[str, str]], connection: BaseDatabaseWrapper) -> list[str]:
    """The apps of the backup that are not installed. Raises BackupError for a newer Driftlock's."""
    loader = MigrationLoader(None)
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update((app, name) for app, name in migration.replaces)
    ours = loader.migrated_apps | loader.unmigrated_apps
    newer = [f"{app}.{name}" for app, name in applied if app in ours and (app, name) not in known]
    if newer:
        raise BackupError(
            f"the backup comes from a newer Driftlock: this one does not know {_some(newer)}. "
            "Restore it with the version that made it."
        )
    return sorted({app for app, _ in applied} - ours)


def _check_dump(file: Path, manifest: Manifest, progress: Progress) -> None:
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(file):
        digest.update(piece)
        size += len(piece)
        progress(size, manifest.size)
    if size != manifest.size:
        what = "it is cut short" if size < manifest.size else "it is longer"
        raise BackupError(f"{file} has {size:,} bytes, its manifest says {manifest.size:,}: {what}.")
    if digest.hexdigest() != manifest.sha256:
        raise BackupError(f"{file} is damaged or another backup's: its SHA-256 is not that of the manifest.")


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                yield piece
    except OSError as error:
        raise BackupError(f"{file} can't be read: {error.strerror}") from error


def _check_roles(file: Path, pg_restore: Program, connection: BaseDatabaseWrapper) -> None:
    with file.open("rb") as dump:
        named = roles_in(dump.fileno(), pg_restore)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [named])
        there = {name for (name,) in cursor.fetchall()}
    missing = sorted(set(named) - there)
    if missing:
        raise BackupError(
            f"the backup grants rights to roles that this server does not have: {_some(missing)}. Make them "
            "first, or restore with --no-privileges and grant afterwards."
        )


def _pg_restore(
    file: Path, pg_restore: Program, connection: BaseDatabaseWrapper, privileges: bool, progress: Progress
) -> None:
    arguments = ["--exit-on-error", "--single-transaction", "--no-owner"]
    arguments += [] if privileges else ["--no-privileges"]
    size = 0
    with running(pg_restore, arguments, connection) as process:
        assert process.stdin is not None
        for piece in _pieces(file):
            process.stdin.write(piece)
            size += len(piece)
            progress(size, file.stat().st_size)


def _verified(manifest: Manifest, connection: BaseDatabaseWrapper, say: Say) -> Restored:
    with connection.cursor() as cursor:
        say("gathering the planner's statistics")
        cursor.execute("ANALYZE")
    with transaction.atomic(using=connection.alias, durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = contents_of(connection, lambda table: say(f"checksum of {table}"))
    executor: Any = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    to_migrate = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
    return Restored(manifest, differences(manifest.contents, found), to_migrate)


def differences(promised: Contents, found: Contents) -> list[str]:
    """A sentence for each difference of a database from its manifest: tables, sequences, migrations."""
    said = list(_differing("table", promised.tables, found.tables))
    said += _differing("sequence", promised.sequences, found.sequences)
    said += [f"migration {app}.{name} is missing" for app, name in _less(promised, found)]
    said += [f"migration {app}.{name} is not in the manifest" for app, name in _less(found, promised)]
    if promised.large_objects != found.large_objects:
        said.append(f"{found.large_objects} large objects instead of {promised.large_objects}")
    return said


def _less(one: Contents, other: Contents) -> list[tuple[str, str]]:
    return sorted(set(one.migrations) - set(other.migrations))


def _differing(kind: str, promised: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted(promised.keys() | found.keys()):
        if name not in found:
            yield f"{kind} {name} is missing"
        elif name not in promised:
            yield f"{kind} {name} is not in the manifest"
        elif promised[name] != found[name]:
            yield f"{kind} {name} holds {found[name]} instead of {promised[name]}"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
