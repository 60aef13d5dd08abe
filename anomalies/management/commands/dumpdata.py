"""``manage.py dumpdata`` for what a fixture can hold: everything but the tables of this app."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import dumpdata

INSTEAD = (
    "a fixture can't carry the audit log, its seals and the roll-ups, which triggers write. Use "
    "`backup FILE` and `restore FILE` for the database, `export` and `ingest` for anomalies"
)


class Command(dumpdata.Command):
    help = "Write rows as a fixture; refused for this app's tables, which backup and export carry."

    def handle(self, *app_labels: str, **options: Any) -> None:
        named = {label.partition(".")[0].lower() for label in app_labels}
        if "anomalies" in named or not (named or "anomalies" in options["exclude"]):
            raise CommandError(f"{INSTEAD}; or leave them out: --exclude anomalies.")
        super().handle(*app_labels, **options)
