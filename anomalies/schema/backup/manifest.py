"""The manifest of a backup: the dump's hash and the checksum of each table at the time of the snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.recorder import MigrationRecorder

from ..checksums import Checksum, checksum
from .pg_binaries import BackupError

FORMAT = 1

# The relations in a dump: none of the server, of an extension, or of a session's temporary tables.
_NOT_OURS = """
    nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname NOT LIKE 'pg\\_temp\\_%%'
    AND NOT EXISTS (SELECT FROM pg_depend
                    WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
"""
_RELATIONS = f"""
    SELECT nspname, relname, format('%%I.%%I', nspname, relname)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind = ANY(%s) AND {_NOT_OURS} ORDER BY 1, 2
"""  # noqa: S608 -- no text from outside


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a database: checksums by table, and (last value, True if used) by sequence."""

    tables: dict[str, Checksum]
    sequences: dict[str, tuple[int, bool]]
    migrations: list[tuple[str, str]]
    large_objects: int

    @property
    def rows(self) -> int:
        """The number of rows of all tables."""
        return sum(each.rows for each in self.tables.values())


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dump and its contents. ``made_at`` is the snapshot's time in UTC, ``size`` is in bytes, ``roles`` are
    the roles in the dump's grants."""

    made_at: str
    database: str
    encoding: str
    server_version: str
    dump_version: str
    size: int
    sha256: str
    roles: list[str]
    contents: Contents

    def to_json(self) -> bytes:
        """The content of the manifest's file: indented JSON, equal for equal manifests."""
        about = asdict(self)
        contents = about.pop("contents")
        text = json.dumps({"format": FORMAT, **about, **contents}, indent=1, ensure_ascii=False)
        return text.encode() + b"\n"


def manifest_of(dump: Path) -> Path:
    """The path of a dump's manifest."""
    return dump.with_name(dump.name + ".json")


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises BackupError if it is missing, unreadable, damaged or too new."""
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BackupError(
            f"{path} is missing: without its manifest a dump can't be verified. Both files make one backup."
        ) from error
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BackupError(f"{path} is no manifest of a backup: it is damaged.") from error
    said = read.get("format") if isinstance(read, dict) else None
    if isinstance(said, int) and said > FORMAT:
        raise BackupError(f"{path} has format {said}; this Driftlock knows {FORMAT}. Use a newer Driftlock.")
    try:
        return _manifest(read)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupError(f"{path} is no manifest of a backup: {error} is missing or wrong.") from error


def _manifest(read: dict[str, Any]) -> Manifest:
    texts = {
        name: str(read[name])
        for name in ("made_at", "database", "encoding", "server_version", "dump_version", "sha256")
    }
    tables = {name: Checksum(int(each["rows"]), str(each["sums"])) for name, each in read["tables"].items()}
    sequences = {name: (int(value), bool(used)) for name, (value, used) in read["sequences"].items()}
    migrations = [(str(app), str(name)) for app, name in read["migrations"]]
    contents = Contents(tables, sequences, migrations, int(read["large_objects"]))
    return Manifest(
        **texts, size=int(read["size"]), roles=[str(role) for role in read["roles"]], contents=contents
    )


def relations(cursor: CursorWrapper, kinds: str = "r") -> list[tuple[str, str, str]]:
    """Schema, name and quoted full name of the relations of these kinds (pg_class.relkind)."""
    cursor.execute(_RELATIONS, [list(kinds)])
    return [(str(schema), str(name), str(full)) for schema, name, full in cursor.fetchall()]


def contents_of(connection: BaseDatabaseWrapper, reading: Callable[[str], None]) -> Contents:
    """The present contents of a database; reads every table, in the open transaction or in one of its own.

    ``reading`` is called with each table's name before the table is read.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        # A table that hides rows from this role must be an error, never a smaller checksum.
        cursor.execute("SET LOCAL row_security = off")
        tables = {}
        for schema, name, full in relations(cursor):
            reading(full)
            tables[full] = checksum(name, connection=connection, schema=schema)
        sequences = {full: _state(cursor, full) for _, _, full in relations(cursor, "S")}
        cursor.execute("SELECT count(*) FROM pg_largeobject_metadata")
        (large_objects,) = cursor.fetchone()
    applied = MigrationRecorder(connection).applied_migrations()
    return Contents(tables, sequences, sorted(applied), large_objects)


def _state(cursor: CursorWrapper, sequence: str) -> tuple[int, bool]:
    cursor.execute(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608 -- quoted by the server
    value, used = cursor.fetchone()
    return int(value), bool(used)
