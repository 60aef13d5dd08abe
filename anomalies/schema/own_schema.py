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
    return name if _SIMPLE.fullmatch(name) else '"' + name.replace('"', '""') + '"'


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
