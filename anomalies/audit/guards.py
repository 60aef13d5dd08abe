"""Guards: the database objects that write and protect the audit log, as found and as the migrations make
them.

They are the triggers, rules and policies of the guarded tables, the shape that entries depend on (columns
with defaults, constraints, storage, inheritance, owner), every function of the application's schema, and
the event triggers that record DDL, where a superuser created them. A seal proves only what was written; the
guards show that nothing could be written past the log, so a changed guard is reported and stops sealing.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from django.db import connection

from anomalies.schema import catalog
from anomalies.schema.adopt import journal
from anomalies.schema.own_schema import PUBLIC, quoted
from anomalies.schema.search_path import identifier, own_schema, pinned

TABLES = (
    "anomalies",
    "detection_config",
    "audit_log",
    "audit_seals",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "api_tokens",
    "triage_rules",
    "notification_rules",
    "teams",
    "ownership_rules",
    "anomaly_comments",
)
EXPECTED = Path(__file__).with_name("guards.json")
WRITERS = ("trigger", "rule", "policy", "function", "event trigger")  # a difference in these stops sealing
_SHAPE = ("table", "column", "constraint", "foreign key trigger")
# Left to the operator: storage parameters, replica identity, storage and compression of values.
_STORAGE = re.compile(r",? ?(?:WITH \([^)]*\)|REPLICA IDENTITY \w|STORAGE \w|COMPRESSION \w)")
_SHOWN = 200  # characters of a definition in a message
# Present only where a superuser ran the migration.
OPTIONAL = ("event trigger audit_ddl_altered", "event trigger audit_ddl_dropped", "function audit_ddl()")
_EVENT_TRIGGERS = """
    SELECT 'event trigger ' || evtname, concat_ws(' ', evtevent, evtenabled::text, evttags::text)
    FROM pg_event_trigger WHERE evtname LIKE 'audit\\_ddl%%'
    UNION ALL
    SELECT 'function audit_ddl()', pg_get_functiondef(pg_proc.oid)
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = %s AND proname = 'audit_ddl' AND pronargs = 0
"""


def definitions() -> dict[str, str]:
    """The guards of the database, name → definition as PostgreSQL writes it, independent of the schema."""
    found = {
        f"{kind} {name}": _STORAGE.sub("", definition)
        for (kind, name), definition in sorted(catalog.read(connection, schema=own_schema()).items())
        if kind == "function" or (kind in (*WRITERS, *_SHAPE) and _table(kind, name) in TABLES)
    }
    with pinned() as cursor:
        cursor.execute(_EVENT_TRIGGERS, [own_schema()])
        found |= dict(cursor.fetchall())
    return {name: _in_public(definition) for name, definition in found.items()}


def guards() -> dict[str, str]:
    """The guards of the database, name → SHA-256 of the definition."""
    return _hashes(definitions())


def expected() -> dict[str, str]:
    """The guards that the migrations make, read from guards.json, which ``scripts/guards.py`` generates."""
    guards: dict[str, str] = json.loads(EXPECTED.read_text())
    return guards


def differences() -> list[str]:
    """A sentence for every difference, those of WRITERS first."""
    found = _named()
    return sorted(found.values(), key=lambda words: not words.startswith(WRITERS))


def broken_writers() -> list[str]:
    """The differences that allow entries to be missing or forged from now on."""
    return sorted(words for name, words in _named().items() if name.startswith(WRITERS))


def _named() -> dict[str, str]:
    defined, should = definitions(), expected()
    are, known = _hashes(defined), _known_from_adoption()
    words = {name: f"{name} is missing" for name in should.keys() - are.keys() if name not in OPTIONAL}
    words |= {name: f"{name} is not ours" for name in are.keys() - should.keys() if not _is_function(name)}
    for name in should.keys() & are.keys():
        if should[name] != are[name]:
            shape = name.startswith(_SHAPE)
            now = f"changed: {defined[name][:_SHOWN]}" if shape else "changed or disabled"
            words[name] = f"{name} is {now}"
    return {name: said for name, said in words.items() if (name, defined.get(name)) not in known}


def _known_from_adoption() -> set[tuple[str, str | None]]:
    """Tables, columns and constraints that differed when a golang-migrate database was adopted: accepted."""
    entry = journal.read()
    left = entry.left_alone if entry else ()
    return {(f"{kind} {name}", _STORAGE.sub("", text or "")) for kind, name, text in left if kind in _SHAPE}


def fingerprint() -> str:
    """One SHA-256 over all guards of the database; each seal stores it."""
    ours = expected()
    kept = {name: said for name, said in guards().items() if name in ours or not _is_function(name)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _hashes(texts: dict[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(definition.encode()).hexdigest() for name, definition in texts.items()}


def _is_function(name: str) -> bool:
    return name.startswith("function")


def _in_public(definition: str) -> str:
    """The definition with our schema's name replaced by ``public``, as in ``guards.json``."""
    schema = own_schema()
    if schema == PUBLIC:
        return definition
    named = re.sub(
        rf"(FUNCTION |ON |FROM |REFERENCES |nextval\('){re.escape(quoted(schema))}\.",
        r"\1public.",
        definition,
    )
    return named.replace(f"{identifier(schema)}.", '"public".')


def _table(kind: str, name: str) -> str:
    """The table that an object of this name belongs to."""
    if kind == "table":
        return name
    return name.partition(".")[0] if kind == "column" else name.rpartition(" on ")[2]
