"""``manage.py stats``: what was found and decided, stream by stream."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from anomalies.queries.bounded.filter_figures import figures_of
from anomalies.queries.stats import NEWEST, StreamFigures

from ..base import ShortUsage
from ..filter_options import add_filter_options, filterset

_COLUMNS = {
    "stream": "stream_type",
    "total": "total_anomalies",
    "significant": "significant_anomalies",
    "avg NCD": "avg_ncd_score",
    "avg p": "avg_p_value",
    "pending": "pending_count",
    "investigating": "investigating_count",
    "acknowledged": "acknowledged_count",
    "dismissed": "dismissed_count",
    "median wait": "median_time_to_decision",
    "90 % wait": "p90_time_to_decision",
    "windows flagged": "windows_flagged",
    "by chance ≤": "expected_by_chance",
}


class Command(ShortUsage):
    help = "Print statistics by stream: anomalies, decisions, waiting times, expected by chance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--format",
            choices=["table", "json", "csv"],
            default="table",
            help="the output format (default: table)",
        )
        parser.add_argument(
            "--exact",
            action="store_true",
            help=f"read the table instead of the roll-up, and all decisions instead of the newest {NEWEST:,}",
        )
        add_filter_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        figures = figures_of(filterset(options), exact=options["exact"])
        {"table": self._table, "json": self._json, "csv": self._csv}[options["format"]](figures)

    def _json(self, figures: list[StreamFigures]) -> None:
        self.stdout.write(json.dumps([_plain(row) for row in figures], indent=2))

    def _csv(self, figures: list[StreamFigures]) -> None:
        writer = csv.DictWriter(
            self.stdout, [field.name for field in fields(StreamFigures)], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(_plain(row) for row in figures)

    def _table(self, figures: list[StreamFigures]) -> None:
        rows = [
            list(_COLUMNS),
            *([_cell(getattr(row, name)) for name in _COLUMNS.values()] for row in figures),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
            self.stdout.write("  ".join(cells).rstrip())
        self.stderr.write(_in_words(figures))


def _plain(row: StreamFigures) -> dict[str, Any]:
    """Durations in seconds; everything else as it is."""
    values = asdict(row).items()
    return {key: value.total_seconds() if isinstance(value, timedelta) else value for key, value in values}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, timedelta):
        return str(timedelta(seconds=round(value.total_seconds())))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _in_words(figures: list[StreamFigures]) -> str:
    total = sum(row.total_anomalies for row in figures)
    words = f"{total} {'anomaly' if total == 1 else 'anomalies'}"
    tested = [row for row in figures if row.windows_tested]
    if not tested:
        return f"{words}."
    flagged = sum(row.windows_flagged or 0 for row in tested)
    expected = sum(row.expected_by_chance or 0 for row in tested)
    windows = sum(row.windows_tested or 0 for row in tested)
    chance = f"{flagged} were flagged, up to {expected:.0f} expected by chance"
    return f"{words}. Of {windows} windows tested {chance}."
