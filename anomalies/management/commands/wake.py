"""``manage.py wake``: end the snoozes that are due."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.safe_text import printable
from anomalies.triage.snooze import SYSTEM, wake

from ..base import ShortUsage


class Command(ShortUsage):
    help = "End the snoozes that are due, and list them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--by",
            default=SYSTEM.username,
            metavar="USERNAME",
            help="the name for the audit log (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        woken = wake(Actor(options["by"], via="wake"))
        for key, why in woken.items():
            self.stdout.write(f"{key}\t{printable(why)}")
        asleep = Anomaly.objects.filter(snoozed_at__isnull=False).count()
        self.stderr.write(f"woken {len(woken)}, still snoozed {asleep}")
