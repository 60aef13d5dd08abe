"""``manage.py doctor``: rows that break the triage rules."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from anomalies.queries.data_quality import findings

from ..base import ShortUsage


class Command(ShortUsage):
    help = "List decided anomalies that lack a reason, a username or a time."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object per row")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(findings())
        for each in found:
            if options["json"]:
                self.stdout.write(json.dumps(asdict(each)))
                continue
            more = f" and {each.count - len(each.ids):,} more" if each.count > len(each.ids) else ""
            self.stdout.write(f"{each.count:,} {each.what}: {', '.join(each.ids)}{more}\n  {each.way_on}")
        if found:
            sys.exit(1)
        self.stderr.write("every decided anomaly has its name, time and reason")
