"""The replayed tables with their entries: anomalies, configs, accounts, permissions, rules and comments.

It is a sort-merge join: one statement per table returns its entries and its rows sorted by row and entry, so
that each row follows its own entries. PostgreSQL sorts on disk and a cursor fetches 2,000 at a time, so
memory does not grow with the number of rows. The totals are compared as well: the audit log counts every
anomaly that was inserted or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from django.db.models import DateTimeField, Model

from anomalies.models import (
    Anomaly,
    Comment,
    DetectionConfig,
    NotificationRule,
    OwnershipRule,
    Team,
    TriageRule,
)
from anomalies.schema.search_path import ours

from .replay import Event, Row, Rules, compared, fold, parsed, unexplained

NAMED = 1_000  # differences listed for each table; further ones are counted
_FETCHED = 2_000  # events fetched at a time
_LOOKED_UP = 100  # rows per query for further columns
# A larger sort spills to disk; the plan is made for reading all rows, not for the first ones.
_SETTINGS = (
    "SET LOCAL work_mem = '64MB'; SET LOCAL cursor_tuple_fraction = 1; "
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1"
)

_NOT_COMPARED = {"updated_at", "version"}  # every UPDATE changes them; they hold no decision
_DECIDED: dict[str, Any] = {"status": "pending"} | dict.fromkeys(
    (
        *(
            f"{what}_{detail}"
            for what in ("acknowledged", "dismissed", "investigating")
            for detail in ("by", "at")
        ),
        "dismissal_reason",
        *Anomaly.ASSIGNMENT,
        *Anomaly.SNOOZE,
    )
)


class ReplayError(Exception):
    """This role can't replay the audit log; the message names what it may not read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table and the entries about it: ``key`` is SQL for the row's id in an entry; ``read`` its columns.

    ``initial`` is SQL for the rows of a new database as (key, JSON), used if there is no baseline entry.
    """

    resource_type: str
    table: str
    key: str
    read: tuple[str, ...]
    rules: Rules
    initial: str = "SELECT NULL, NULL WHERE false"


@dataclass(slots=True)
class Count:
    """The number of table rows compared so far."""

    rows: int = 0


def _columns(model: type[Model], kind: type = object) -> frozenset[str]:
    fields = [field for field in model._meta.concrete_fields if isinstance(field, kind)]
    return frozenset(field.column for field in fields) - _NOT_COMPARED


def _source(
    resource_type: str, table: str, key: str, name: str, columns: Iterable[str], **rules: Any
) -> Source:
    read = tuple(rules.pop("read", sorted(columns)))
    initial = {"initial": rules.pop("initial")} if "initial" in rules else {}
    return Source(resource_type, table, key, read, Rules(name, frozenset(columns), **rules), **initial)


# Rows that migrations created before the triggers existed: 0004 the config, 0009 the roles.
_DEFAULT_CONFIG = {
    "id": 1,
    "ncd_threshold": 0.5,
    "p_value_threshold": 0.05,
    "baseline_size": 100,
    "window_size": 10,
    "hop_size": 1,
    "stream_overrides": {},
    "created_by": "system",
    "notes": None,
    "is_active": True,
}
_VIEWS = (
    "anomaly recentsignificantanomaly streamstatistics performancemetric detectionconfig auditlog".split()
)
_SEES = [f"view_{name}" for name in _VIEWS]
_LEADS = [f"{what}_detectionconfig" for what in ("add", "change", "activate")]
_ROLES = {
    "viewer": _SEES,
    "analyst": [*_SEES, "decide_anomaly"],
    "lead": [*_SEES, "decide_anomaly", *_LEADS],
}
_GIVEN = [(role, codename) for role, given in _ROLES.items() for codename in given]


def _of_values(rows: Iterable[tuple[str, str]]) -> str:
    return f"VALUES {', '.join(map(str, rows))}"


_OF_A_ROW = "coalesce(new_values, old_values) ->> 'id'"
_SMALL = (
    _source(
        "detection_config",
        "detection_config",
        "metadata ->> 'id'",
        "config",
        _columns(DetectionConfig),
        times=_columns(DetectionConfig, DateTimeField),
        initial=_of_values([("1", json.dumps(_DEFAULT_CONFIG))]),
    ),
    _source(
        "account",
        "auth_user",
        "metadata ->> 'id'",
        "account",
        ("id", "username", "is_active", "is_staff", "is_superuser", "email"),
    ),
    _source(
        "role",
        "auth_group",
        _OF_A_ROW,
        "role",
        ("id", "name"),
        initial=_of_values(
            [(str(id), json.dumps({"id": id, "name": name})) for id, name in enumerate(_ROLES, start=1)]
        ),
    ),
    _source(
        "role of an account",
        "auth_user_groups",
        _OF_A_ROW,
        "membership",
        ("id", "user_id", "group_id"),
    ),
    _source(
        "permission of an account",
        "auth_user_user_permissions",
        _OF_A_ROW,
        "permission of an account",
        ("id", "user_id", "permission_id"),
    ),
    _source(
        "permission of a role",
        "auth_group_permissions",
        _OF_A_ROW,
        "permission of a role",
        ("id", "group_id", "permission_id"),
        initial=f"""
            SELECT held.id::text, to_jsonb(held)::text FROM {{auth_group_permissions}} AS held
            JOIN {{auth_group}} AS role ON role.id = group_id
            JOIN {{auth_permission}} AS permission ON permission.id = permission_id
            WHERE (role.name, codename) IN (VALUES {", ".join(map(str, _GIVEN))})
        """,  # noqa: S608 - constants
    ),
    _source(
        "API token",
        "api_tokens",
        "metadata ->> 'id'",
        "API token",
        ("id", "owner_id", "name", "prefix", "scopes", "expires_at", "revoked_at"),
        times=frozenset({"expires_at", "revoked_at"}),
    ),
    _source(
        "triage rule",
        "triage_rules",
        "metadata ->> 'id'",
        "rule",
        _columns(TriageRule),
        times=_columns(TriageRule, DateTimeField),
    ),
    _source(
        "notification rule",
        "notification_rules",
        "metadata ->> 'id'",
        "notification rule",
        _columns(NotificationRule) - {"secret", "target"},
        times=_columns(NotificationRule, DateTimeField),
    ),
    _source(
        "team",
        "teams",
        "metadata ->> 'id'",
        "team",
        _columns(Team),
        times=_columns(Team, DateTimeField),
    ),
    _source(
        "ownership rule",
        "ownership_rules",
        "metadata ->> 'id'",
        "ownership rule",
        _columns(OwnershipRule),
        times=_columns(OwnershipRule, DateTimeField),
    ),
    _source(
        "comment",
        "anomaly_comments",
        "metadata ->> 'id'",
        "comment",
        _columns(Comment),
        times=_columns(Comment, DateTimeField),
    ),
)


def problems(cursor: CursorWrapper, count: Count) -> Iterator[str]:
    """Yield a sentence for each difference between the replayed audit log and the tables.

    ``count`` is updated on the way. Needs a transaction opened by ``pinned``. Raises ReplayError if the role
    lacks a privilege.
    """
    try:
        cursor.execute(_SETTINGS)
        totals = _totals(cursor)
        yield from _limited(_of_anomalies(cursor, totals, count), "anomalies")
        for source in _SMALL:
            found = chain.from_iterable(
                compared(state, row, source.rules) for state, row in _rows(cursor, source, count)
            )
            yield from _limited(found, source.table)
        yield from _taken_from_roles(cursor)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != "42501":
            raise
        why = str(error).splitlines()[0]
        raise ReplayError(f"{why}; `manage.py roles`, run again, lets the sealer replay") from error


def _limited(found: Iterable[str], what: str) -> Iterator[str]:
    further = 0
    for number, problem in enumerate(found):
        if number < NAMED:
            yield problem
        else:
            further += 1
    if further:
        yield f"{what}: {further:,} further differences"


# --- anomalies --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Totals:
    """Numbers of anomalies: ``present`` in the table, ``accounted`` for by the audit log, and decided ones
    that may be ``unexplained`` (older than the log); ``last_arrival`` is the last entry about a bulk insert.
    """

    present: int
    accounted: int
    unexplained: int
    last_arrival: int


_NUMBER = "CASE WHEN metadata ->> '{0}' ~ '^-?[0-9]+$' THEN left(metadata ->> '{0}', 15)::bigint ELSE 0 END"
_TOTALS = f"""
    WITH entries AS (
        SELECT id, action, resource_id, metadata FROM {{log}}
        WHERE resource_type = 'anomaly' AND action IN ('create', 'delete', 'truncate', 'baseline')
    ), since AS (
        SELECT coalesce(max(id), 0) AS id FROM entries WHERE action = 'truncate'
    ), baseline AS (
        SELECT {_NUMBER.format("rows")} AS rows, {_NUMBER.format("decided")} AS decided
        FROM entries WHERE action = 'baseline' AND id > (SELECT id FROM since) ORDER BY id DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM {{anomalies}}),
           coalesce((SELECT rows FROM baseline), 0) + coalesce(sum(CASE action
               WHEN 'create' THEN {_NUMBER.format("rows")} WHEN 'delete' THEN -1 END), 0)::bigint,
           coalesce((SELECT decided FROM baseline), 0),
           coalesce(max(id) FILTER (WHERE action = 'create' AND resource_id IS NULL), 0)
    FROM entries WHERE id > (SELECT id FROM since)
"""  # noqa: S608 - the names are ours


def _totals(cursor: CursorWrapper) -> _Totals:
    cursor.execute(_TOTALS.format(log=ours("audit_log"), anomalies=ours("anomalies")))
    return _Totals(*cursor.fetchone())


def _of_anomalies(cursor: CursorWrapper, totals: _Totals, count: Count) -> Iterator[str]:
    if totals.present != totals.accounted:
        yield f"there are {totals.present:,} anomalies; the audit log accounts for {totals.accounted:,}"
    source = _source(
        "anomaly",
        "anomalies",
        "resource_id::text",
        "anomaly",
        _columns(Anomaly),
        read=(*_DECIDED, "notes"),
        times=_columns(Anomaly, DateTimeField),
        defaults=_DECIDED,
        may_come_unnamed=True,
        last_arrival=totals.last_arrival,
    )
    unknown, rows = 0, _rows(cursor, source, count)
    while some := list(islice(rows, _LOOKED_UP)):
        for state, found in _with_further_columns(cursor, some):
            yield from compared(state, found, source.rules)
            wrong = unexplained(state, found, source.rules)
            unknown += bool(wrong)
            if unknown > totals.unexplained:
                yield from wrong
    if unknown > totals.unexplained > 0:
        yield (
            f"{unknown:,} anomalies are decided though no entry says so; when the audit log began to record "
            f"that, there were {totals.unexplained:,}: which of them are new is not known"
        )


def _with_further_columns(cursor: CursorWrapper, some: list[Row]) -> list[Row]:
    """The same rows with the rarely changed columns that their entries name: scores, tags, evidence."""
    rows = {state.key: found for state, found in some if found is not None}
    columns = {column for state, _ in some for column in state.values} - {*_DECIDED, "notes"}
    if not columns or not rows:
        return some
    pairs = ", ".join(f"'{column}', {column}" for column in sorted(columns))
    values = f"SELECT id::text, jsonb_build_object({pairs})::text FROM {ours('anomalies')}"  # noqa: S608
    cursor.execute(f"{values} WHERE id = ANY (%s::uuid[])", [list(rows)])
    for key, text in cursor.fetchall():
        rows[key].update(parsed(text) or {})
    return some


# --- roles ------------------------------------------------------------------------------------------------

_TAKEN = f"""
    SELECT role, codename FROM (VALUES {", ".join(map(str, _GIVEN))}) AS given (role, codename)
    WHERE NOT EXISTS (
        SELECT FROM {{auth_group_permissions}} AS held
        JOIN {{auth_group}} AS holder ON holder.id = group_id
        JOIN {{auth_permission}} AS permission ON permission.id = permission_id
        WHERE holder.name = role AND permission.codename = given.codename
    ) AND NOT EXISTS (
        SELECT FROM {{log}} WHERE resource_type = 'permission of a role' AND (
            action IN ('baseline', 'truncate')
            OR action = 'revoke' AND metadata ->> 'role' = role AND metadata ->> 'permission' = codename)
    ) AND NOT EXISTS (SELECT FROM {{log}} WHERE resource_type = 'role' AND action <> 'grant')
    ORDER BY role, codename
"""  # noqa: S608 - constants


def _taken_from_roles(cursor: CursorWrapper) -> Iterator[str]:
    """A sentence for each permission of a new database's roles that is missing without an entry."""
    cursor.execute(_with_schema(_TAKEN).replace("{log}", ours("audit_log")))
    for role, codename in cursor.fetchall():
        yield f"role {role}: the permission {codename} is missing, and no entry says that it was revoked"


# --- reading ----------------------------------------------------------------------------------------------

# Replay starts at the last TRUNCATE, which emptied the table, or at the last baseline, which lists its rows
# (in one batch of entries).
_SINCE = """
    SELECT greatest(
        (SELECT coalesce(max(id), 0) FROM {log} WHERE resource_type = %(type)s AND action = 'truncate'),
        (SELECT coalesce(min(id), 0) FROM {log} WHERE resource_type = %(type)s AND action = 'baseline'
         AND resource_type <> 'anomaly' AND metadata ->> 'batch' = (
             SELECT metadata ->> 'batch' FROM {log}
             WHERE resource_type = %(type)s AND action = 'baseline' ORDER BY id DESC LIMIT 1)))
"""
_EVENTS = """
    DECLARE replayed NO SCROLL CURSOR FOR
    SELECT key, id, action, old, new FROM (
        SELECT {key} AS key, id, action::text, old_values::text AS old, new_values::text AS new
        FROM {log} WHERE resource_type = %(type)s AND id >= %(since)s AND {key} IS NOT NULL
          AND action NOT IN ('baseline', 'truncate') AND (new_values IS NOT NULL OR action = 'create')
        UNION ALL
        SELECT coalesce({key}, old_values ->> 'id'), id, action, NULL, NULL
        FROM {log} WHERE resource_type = %(type)s AND id >= %(since)s AND action IN ('delete', 'revoke')
        UNION ALL
        SELECT old_values ->> 'id', id, 'renamed', NULL, jsonb_build_object('id', new_values -> 'id')::text
        FROM {log} WHERE resource_type = %(type)s AND id >= %(since)s AND action NOT IN ('delete', 'revoke')
          AND old_values ->> 'id' <> new_values ->> 'id'
        UNION ALL
        SELECT row ->> 'id', id, action, NULL, row::text
        FROM {log}, jsonb_array_elements(
            CASE jsonb_typeof(new_values) WHEN 'array' THEN new_values ELSE '[]' END) AS row
        WHERE resource_type = %(type)s AND id >= %(since)s AND action = 'baseline'
        UNION ALL
        SELECT key, 0, 'baseline', NULL, initial FROM ({initial}) AS new (key, initial) WHERE NOT EXISTS (
            SELECT FROM {log} WHERE resource_type = %(type)s AND action IN ('baseline', 'truncate'))
        UNION ALL
        SELECT id::text, NULL, 'row', NULL, jsonb_build_object({read})::text FROM {table} AS row WHERE {which}
    ) AS event
    WHERE key IS NOT NULL
    ORDER BY key COLLATE "C", id NULLS LAST
"""
# Only anomalies with a decision or an entry: the others have nothing to compare.
_WHICH = f"""
    status <> 'pending' OR num_nonnulls({", ".join(column for column in _DECIDED if column != "status")}) > 0
    OR EXISTS (SELECT FROM {{log}} AS entry
               WHERE entry.resource_type = 'anomaly' AND entry.resource_id = row.id)
"""


def _rows(cursor: CursorWrapper, source: Source, count: Count) -> Iterator[Row]:
    """The rows of a table, each with its folded entries."""
    log, values = ours("audit_log"), {"type": source.resource_type}
    cursor.execute(_SINCE.format(log=log), values)
    (since,) = cursor.fetchone()
    statement = _EVENTS.format(
        key=source.key,
        log=log,
        table=ours(source.table),
        initial=_with_schema(source.initial),
        read=", ".join(f"'{column}', {column}" for column in source.read),
        which=_WHICH.format(log=log) if source.table == "anomalies" else "true",
    )
    cursor.execute(statement, values | {"since": since})
    for state, found in fold(_fetched(cursor), source.rules):
        count.rows += found is not None
        yield state, found
    cursor.execute("CLOSE replayed")


def _with_schema(statement: str) -> str:
    for table in ("auth_group_permissions", "auth_group", "auth_permission"):
        statement = statement.replace(f"{{{table}}}", ours(table))
    return statement


def _fetched(cursor: CursorWrapper) -> Iterator[Event]:
    fetch = f"FETCH {_FETCHED} FROM replayed"
    cursor.execute(fetch)
    while some := cursor.fetchall():
        yield from map(Event._make, some)
        cursor.execute(fetch)
