"""``manage.py doctor``: rows that the desk's rules would not have made."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from anomalies.queries.data_quality import findings


class Command(BaseCommand):
    help = "List decided anomalies that lack a reason, a name or a time; exits 1 where there are any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object a line")

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
