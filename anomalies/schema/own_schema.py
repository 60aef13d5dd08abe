"""The schema of our tables: ``public``, or the first schema of the search path if that is another.

A migration creates its tables in ``current_schema()``. Those up to 0028 name ``public`` in functions; for
another schema they are run with the name replaced. Later ones look up the schema themselves.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

PUBLIC = "public"
# The schema in which the search path finds our tables, or else would create them.
_FOUND = """
    SELECT coalesce((SELECT nspname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
                     WHERE pg_class.oid = to_regclass('anomalies')), current_schema(), 'public')
"""
_NAMES_PUBLIC = re.compile(r"\bpublic(?=\.|, pg_temp\b)")
_SIMPLE = re.compile(r"[a-z_][a-z0-9_]*")
# The key words that quote_ident of PostgreSQL 18 quotes; those of earlier versions are among them.
_KEY_WORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer
    intersect interval into is isnull join json json_array json_arrayagg json_exists json_object
    json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left
    like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null
    nullif numeric offset on only or order out outer overlaps overlay placing position precision primary
    real references returning right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using
    values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
    xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()
)


def schema_of_tables(connection: BaseDatabaseWrapper) -> str:
    """The name of the schema in which unqualified names reach our tables, or would create them.

    Migrations work there. Statements whose result is trusted use ``search_path.own_schema`` instead.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FOUND)
        name: str = cursor.fetchone()[0]
    return name


def quoted(name: str) -> str:
    """A name as an SQL identifier, quoted only if necessary, as PostgreSQL writes it in definitions."""
    if _SIMPLE.fullmatch(name) and name not in _KEY_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def in_schema(statement: str, schema: str) -> str:
    """A statement of a migration that names ``public``, for another schema."""
    return statement if schema == PUBLIC else _NAMES_PUBLIC.sub(lambda _: quoted(schema), statement)


class OwnSchemaEditor(DatabaseSchemaEditor):
    """Django's schema editor, with the statements of our migrations run in the schema of our tables."""

    def __init__(self, connection: BaseDatabaseWrapper, *args: Any, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        self._own_schema = schema_of_tables(connection)

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Run a statement, or collect it."""
        super().execute(in_schema(str(sql), self._own_schema), params)
