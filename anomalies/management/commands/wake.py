"""``manage.py wake``: what has slept long enough, back into the queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.safe_text import printable
from anomalies.triage.snooze import SYSTEM, wake


class Command(BaseCommand):
    help = "Wake snoozed anomalies whose time, NCD or number of further ones has come; say which and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", default=SYSTEM.username, metavar="USERNAME", help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        woken = wake(Actor(options["by"], via="wake"))
        for key, why in woken.items():
            self.stdout.write(f"{key}\t{printable(why)}")
        asleep = Anomaly.objects.filter(snoozed_at__isnull=False).count()
        self.stderr.write(f"woken {len(woken)}, asleep {asleep}")
