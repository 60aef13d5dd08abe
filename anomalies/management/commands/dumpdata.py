"""``manage.py dumpdata`` for what a fixture can hold: everything but the tables of this app."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import dumpdata

from ..base import ShortUsage

INSTEAD = (
    "a fixture can't carry the audit log, its seals and the roll-ups, which triggers write. Use "
    "`backup FILE` and `restore FILE` for the database, `export` and `ingest` for anomalies"
)


class Command(ShortUsage, dumpdata.Command):
    help = "Write a fixture of other apps; use backup or export for anomalies."

    def handle(self, *app_labels: str, **options: Any) -> None:
        named = {label.partition(".")[0].lower() for label in app_labels}
        if "anomalies" in named or not (named or "anomalies" in options["exclude"]):
            raise CommandError(f"{INSTEAD}; or leave them out: --exclude anomalies.")
        super().handle(*app_labels, **options)
