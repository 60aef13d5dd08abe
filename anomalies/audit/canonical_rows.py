"""Canonical bytes of the audit log's entries and of seals: the input of every hash and signature.

A hash proves equality only if equal content always gives equal bytes and different content never does.
Entries are therefore rendered by PostgreSQL itself (COPY text format, with every setting that changes the
text fixed), and seals as JSON with sorted names and no spaces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.models import AuditSeal
from anomalies.schema.search_path import ours

HASH_BYTES = 8  # kept of each row's hash: enough to name the changed row; the full digest covers them all
NOTHING = "0" * 64  # the head before the first seal
_COLUMNS = (
    "id, timestamp, username, ip_address, action, resource_type, resource_id, "
    "old_values, new_values, metadata"
)
# Every setting that the text of a value depends on.
_AS_EVERYWHERE = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1; "
    "SET LOCAL client_encoding = 'UTF8'; SET LOCAL bytea_output = 'hex'; SET LOCAL IntervalStyle = 'iso_8601'"
)


def rows(condition: str, values: list[Any]) -> Iterator[bytes]:
    """The entries that meet an SQL condition, ordered by id; needs a transaction opened by ``pinned``.

    Each is its line in PostgreSQL's COPY text format under fixed settings, without the line end: a tab
    separates columns, and a tab within a value is escaped, so no two different entries give the same bytes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_AS_EVERYWHERE)
        entries = f"SELECT {_COLUMNS} FROM {ours('audit_log')} WHERE {condition} ORDER BY id"  # noqa: S608
        statement = f"COPY ({entries}) TO STDOUT"
        raw: psycopg.Cursor = cursor.cursor
        with raw.copy(statement, values) as copy:
            rest = b""
            for block in copy:
                *lines, rest = (rest + bytes(block)).split(b"\n")
                yield from lines


def id_of(row: bytes) -> int:
    """The id of an entry in the format of ``rows``."""
    return int(row[: row.index(b"\t")])


def row_hash(row: bytes) -> bytes:
    """The first HASH_BYTES bytes of the SHA-256 of an entry."""
    return hashlib.sha256(row).digest()[:HASH_BYTES]


def statement_of(seal: AuditSeal) -> bytes:
    """The bytes that a seal's signature and head are computed from: JSON, names sorted, no spaces."""
    return json.dumps(fields_of(seal), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def fields_of(seal: AuditSeal) -> dict[str, Any]:
    """The sealed fields by name; the row hashes are represented by their own SHA-256."""
    return {
        "number": seal.number,
        "made_at": moment(seal.made_at),
        "ids": ids_as_text(seal.ids),
        "rows": seal.rows,
        "settled": seal.settled,
        "seen": seal.seen,
        "digest": seal.digest,
        "row_hashes": hashlib.sha256(bytes(seal.row_hashes)).hexdigest(),
        "guard": seal.guard,
        "former": seal.former,
        "key": seal.key,
    }


def head_of(statement: bytes) -> str:
    """The SHA-256 of a seal's statement, in hexadecimal; the next seal stores it as ``former``."""
    return hashlib.sha256(statement).hexdigest()


def moment(when: datetime) -> str:
    """A time as ISO 8601 in UTC, to the microsecond."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ids_as_text(ids: Multirange[int]) -> str:
    """A set of ids as ``1-4,7-7``, both ends included; an open end is written as nothing."""
    return ",".join(f"{_bound(each.lower)}-{_bound(each.upper, -1)}" for each in ids)


def _bound(number: int | None, step: int = 0) -> str:
    return "" if number is None else str(number + step)


def parts(seal: AuditSeal) -> list[Range[int]] | None:
    """The ranges of a seal's ids; None if one of them is open-ended and the set is therefore not exact."""
    found = list(seal.ids)
    return None if any(each.lower is None or each.upper is None for each in found) else found
