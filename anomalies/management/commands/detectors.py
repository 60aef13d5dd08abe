"""``manage.py detectors``: the detectors that follow a source, and which of them need attention."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from anomalies.ingest import detectors
from anomalies.safe_text import printable

from ..base import ShortUsage


class Command(ShortUsage):
    help = "List the detectors that follow a source; exit with 1 if one is silent or overdue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object per detector")

    def handle(self, *args: Any, **options: Any) -> None:
        found = detectors()
        for one in found:
            if options["json"]:
                self.stdout.write(json.dumps(asdict(one), default=str))
                continue
            words = f": {one.message}" if one.message else ""
            self.stdout.write(printable(f"{one.state:<8} {one.name}{words}"))
        if not found:
            self.stderr.write(
                "no detector has reported in the last 7 days; "
                "only `detect --follow` and streams of OTLP are reported"
            )
        if any(one.message for one in found):
            sys.exit(1)
