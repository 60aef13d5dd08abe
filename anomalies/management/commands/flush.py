"""``manage.py flush`` for development and tests, which empties the audit log too."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import flush
from django.db import connections, transaction

from anomalies.schema.search_path import ours

from ..base import ShortUsage

# Of every session's triggers: those for replicas do not fire on TRUNCATE.
_APPEND_ONLY = """
    SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
    WHERE tgfoid = to_regproc(%s) AND NOT tgisinternal AND tgenabled = 'A'
"""


class Command(ShortUsage, flush.Command):
    help = "Empty the database, the audit log included; refused in production."

    def handle(self, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("flush would empty the audit log. Drop the database instead.")
        connection = connections[options["database"]]
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(_APPEND_ONLY, [ours("audit_append_only", connection.alias)])
            triggers = cursor.fetchall()
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            super().handle(**options)
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
