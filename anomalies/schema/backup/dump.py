"""A backup: pg_dump's archive of the whole database, and beside it a manifest of its contents.

Both are of one snapshot, so other programs may write during a backup: the transaction that computes the
checksums exports its snapshot to pg_dump (pg_export_snapshot), and locks every table against TRUNCATE and
DDL, which are not fully subject to snapshots.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from anomalies.atomic_file import AtomicFile

from ..poolers import PoolerError, own_session
from .archive import roles_in, sequences_in
from .manifest import Manifest, contents_of, manifest_of, relations
from .pg_binaries import NEW_SETTING_FROM, BackupError, Program, find, major, running, server_version

Progress = Callable[[int, int | None], None]
Say = Callable[[str], None]

PIECE = 1024 * 1024  # bytes read at once


def backup(
    file: Path,
    connection: BaseDatabaseWrapper,
    *,
    pg_bin: Path | None = None,
    force: bool = False,
    say: Say,
    progress: Progress,
) -> Manifest:
    """Dump the database of ``connection`` into ``file``, its manifest into ``file``.json.

    Afterwards either both files exist, complete and flushed to disk, or neither; existing ones are replaced
    only with ``force``. ``say`` receives a line for each step, ``progress`` the number of bytes written.
    Raises BackupError.
    """
    _refuse_existing(file, force)
    try:
        version = server_version(connection)
        pg_dump = find("pg_dump", connection, pg_bin, major(version))
        pg_restore = find("pg_restore", connection, pg_bin, pg_dump.major)
        with own_session(connection), AtomicFile(file) as dump, AtomicFile(manifest_of(file)) as beside:
            made = _dump(dump, connection, pg_dump, pg_restore, version, say, progress)
            beside.write(made.to_json())
            _publish(dump, beside, force)
    except OSError as error:
        raise BackupError(_why(error, file)) from error
    except PoolerError as error:
        raise BackupError(str(error)) from error
    except DatabaseFailure as error:
        raise BackupError(f"the database failed: {_first_line(error)}; no backup was made.") from error
    return made


def _refuse_existing(file: Path, force: bool) -> None:
    if not file.parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}; make it first.")
    for each in (file, manifest_of(file)):
        if each.is_dir() or (each.exists() and not each.is_file()):
            raise BackupError(f"{each} is no file; name a file for the backup.")
        if each.exists() and not force:
            raise BackupError(f"{each} exists already; name a new file, or replace it with --force.")


def _dump(
    dump: AtomicFile,
    connection: BaseDatabaseWrapper,
    pg_dump: Program,
    pg_restore: Program,
    version: str,
    say: Say,
    progress: Progress,
) -> Manifest:
    with _snapshot(connection) as (cursor, snapshot):
        say(f"dumping with pg_dump {pg_dump.version} from PostgreSQL {version}")
        if pg_dump.major >= NEW_SETTING_FROM > major(version):
            say(f"only PostgreSQL {NEW_SETTING_FROM} or newer can restore it: there is no older pg_dump here")
        size, digest = _write(dump, pg_dump, connection, snapshot, progress)
        contents = contents_of(connection, lambda table: say(f"checksum of {table}"))
        readable = dump.readable()
        sequences = _named(cursor, sequences_in(readable, pg_restore))
        cursor.execute("SELECT now(), current_database(), getdatabaseencoding()")
        now, database, encoding = cursor.fetchone()
        return Manifest(
            made_at=now.astimezone(UTC).isoformat(),
            database=database,
            encoding=encoding,
            server_version=version,
            dump_version=pg_dump.version,
            size=size,
            sha256=digest,
            roles=roles_in(readable, pg_restore),
            contents=replace(contents, sequences=sequences),
        )


@contextmanager
def _snapshot(connection: BaseDatabaseWrapper) -> Iterator[tuple[CursorWrapper, str]]:
    """A transaction with an exported snapshot, in which every table is locked against DDL."""
    with connection.cursor() as cursor:
        before = relations(cursor, "rp")
    with transaction.atomic(using=connection.alias, durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        _without_timeouts(cursor, connection)
        for _, _, table in before:  # before the snapshot is taken: locked tables can't change under it
            cursor.execute(f"LOCK TABLE ONLY {table} IN ACCESS SHARE MODE")  # quoted by the server
        cursor.execute("SELECT pg_export_snapshot()")
        (name,) = cursor.fetchone()
        if relations(cursor, "rp") != before:
            raise BackupError("tables were made or dropped just now; run it again.")
        yield cursor, name


def _without_timeouts(cursor: CursorWrapper, connection: Any) -> None:
    """Disable the timeouts: a backup has no time limit. A SET takes no snapshot."""
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    if connection.pg_version >= 17_00_00:  # which introduced it
        names.append("transaction_timeout")
    for name in names:
        cursor.execute(f"SET LOCAL {name} = 0")


def _write(
    dump: AtomicFile, pg_dump: Program, connection: BaseDatabaseWrapper, snapshot: str, progress: Progress
) -> tuple[int, str]:
    """Write pg_dump's output to the file; returns the number of bytes and their SHA-256."""
    size, digest = 0, hashlib.sha256()
    with running(pg_dump, ["--format=custom", f"--snapshot={snapshot}"], connection) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(PIECE):
            dump.write(piece)
            digest.update(piece)
            size += len(piece)
            progress(size, None)
    return size, digest.hexdigest()


def _named(cursor: CursorWrapper, sequences: dict[str, tuple[int, bool]]) -> dict[str, tuple[int, bool]]:
    """The sequences under this server's names: quoting depends on a version's keywords."""
    cursor.execute(
        """
        SELECT said, format('%%I.%%I', nspname, relname) FROM unnest(%s::text[]) AS said
        JOIN pg_class AS c ON c.oid = to_regclass(said) JOIN pg_namespace AS n ON n.oid = relnamespace
        """,
        [list(sequences)],
    )
    names = dict(cursor.fetchall())
    return {names.get(said, said): state for said, state in sorted(sequences.items())}


def _publish(dump: AtomicFile, beside: AtomicFile, force: bool) -> None:
    """Publish the dump first, so that the manifest exists only beside a complete dump."""
    dump.publish(force)
    try:
        beside.publish(force)
    except BaseException:
        dump.path.unlink(missing_ok=True)
        raise


def _why(error: OSError, file: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        what = f"no room left for {file} ({error.strerror}); no backup was made"
        return f"{what}. Make room, or name a file elsewhere."
    if isinstance(error, FileExistsError):
        return f"{error.filename2 or file} exists already; name a new file, or replace it with --force."
    return f"{file} can't be written: {error.strerror}; no backup was made."


def _first_line(error: Any) -> str:
    return str(error).strip().partition("\n")[0]
