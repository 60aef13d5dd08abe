"""``manage.py loaddata`` for what a fixture can hold: everything but the tables of this app."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializedObject

from ..base import ShortUsage
from .dumpdata import INSTEAD


class Command(ShortUsage, loaddata.Command):
    help = "Load a fixture of other apps; use restore or ingest for anomalies."

    def save_obj(self, obj: DeserializedObject) -> bool:
        """Save a row; Django's transaction around the fixture takes all of it back where one is refused."""
        if obj.object._meta.app_label == "anomalies":
            raise CommandError(f"{INSTEAD}. Nothing was loaded.")
        return super().save_obj(obj)
