"""``manage.py doctor``: rows that break the triage rules, and decisions that contradict each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.urls import reverse

from anomalies.models import Status
from anomalies.queries.data_quality import Dismissal, findings, incomplete_dismissals
from anomalies.queries.shift.contradictions import Contradiction, Side, contradictions
from anomalies.safe_text import printable

from ..base import ShortUsage
from ..options import at_least_one, moment

_MOST = 1_000
_TEMPLATE = 200  # characters shown


class Command(ShortUsage):
    help = "List decisions that lack a reason, a name or a time, or that contradict each other."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "check",
            nargs="?",
            choices=["contradictions"],
            metavar="contradictions",
            help="list patterns with opposite decisions, and dismissals that lack a reason or a name",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object per row")
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="contradictions: only with a decision since then"
        )
        parser.add_argument(
            "--most",
            type=at_least_one,
            default=_MOST,
            metavar="N",
            help="contradictions: how many of each kind to list (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._contradictions(options)
        elif options["since"]:
            raise CommandError("--since belongs to `doctor contradictions`", returncode=2)
        else:
            self._incomplete(options)

    def _incomplete(self, options: dict[str, Any]) -> None:
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

    def _contradictions(self, options: dict[str, Any]) -> None:
        since, most = options["since"], options["most"]
        contradiction, dismissal = _AS_JSON if options["json"] else _AS_TEXT
        opposed = self._list(map(contradiction, contradictions(since)), most)
        with transaction.atomic():  # a server-side cursor reads the rows
            lacking = self._list(map(dismissal, incomplete_dismissals(since, most + 1)), most)
        self.stderr.write(
            f"contradictions: {opposed}; dismissals that lack a reason or a name: {lacking}"
            + (" (--most lists more)" if "+" in opposed + lacking else "")
        )
        if (opposed, lacking) != ("0", "0"):
            sys.exit(1)

    def _list(self, lines: Iterator[str], most: int) -> str:
        """Print at most ``most`` lines as they are found; returns their number, "+" for more."""
        count = 0
        for line in islice(lines, most):
            self.stdout.write(line)
            count += 1
        return f"{count:,}{'+' if next(lines, None) is not None else ''}"


# --- lines --------------------------------------------------------------------------------------------------


def _contradiction_text(each: Contradiction) -> str:
    where = ", ".join(printable(part, 80) for part in (each.source, each.stream_type) if part)
    sides = "\n".join(f"  {_side(side)}" for side in each.sides)
    reopen = f"`manage.py decide reopen --pattern {each.pattern} --status STATUS`"
    return (
        f"{where}: {printable(each.template, _TEMPLATE)}\n{sides}\n"
        f"  {_link(each)}: compare both, then reopen the wrong ones, or {reopen}"
    )


def _side(side: Side) -> str:
    reasons = f" ({', '.join(printable(each, 40) for each in side.reasons)})" if side.reasons else ""
    people = ", ".join(printable(name, 80) for name in side.people) or "nobody"
    when = f"{side.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if side.at else "at an unknown time"
    return f"{side.count:,} {side.status}{reasons} by {people}; last {when}, anomaly {side.anomaly}"


def _link(each: Contradiction) -> str:
    statuses = [Status.ACKNOWLEDGED.value, Status.DISMISSED.value]
    query = urlencode({"pattern": each.pattern, "status": statuses}, doseq=True)
    return f"{reverse('admin:anomalies_anomaly_changelist')}?{query}"


def _contradiction_json(each: Contradiction) -> str:
    return json.dumps({"kind": "contradiction", **asdict(each), "link": _link(each)}, default=_plain)


def _dismissal_text(each: Dismissal) -> str:
    lacks = " and ".join(each.lacks)
    return f"{each.id} dismissed without {lacks}: {each.way_on}"


def _dismissal_json(each: Dismissal) -> str:
    return json.dumps({"kind": "dismissal", **asdict(each)}, default=_plain)


def _plain(value: Any) -> str:
    """A time in ISO 8601; an id as text."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


_AS_TEXT = (_contradiction_text, _dismissal_text)
_AS_JSON = (_contradiction_json, _dismissal_json)
