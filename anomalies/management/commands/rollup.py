"""``manage.py rollup``: maintain the roll-ups."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from anomalies.queries import hourly_rollup

from ..base import ShortUsage

SHOWN = 50


class Command(ShortUsage):
    help = "Fold, check or rebuild the roll-ups that statistics are read from."

    def add_arguments(self, parser: CommandParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True, metavar="fold|check|rebuild")
        ways.add_parser("fold", help="add the deltas to the roll-ups, which makes reading faster")
        check = ways.add_parser("check", help="compare the roll-ups with the tables and list the differences")
        check.add_argument(
            "--all", action="store_true", help=f"list all differences instead of the first {SHOWN}"
        )
        ways.add_parser("rebuild", help="correct the roll-ups from the tables, under traffic")

    def handle(self, *args: Any, **options: Any) -> None:
        way = {"fold": self._fold, "check": self._check, "rebuild": self._rebuild}[options["way"]]
        try:
            way(options)
        except DatabaseError as error:
            raise CommandError(str(error).strip().splitlines()[0]) from error

    def _fold(self, options: dict[str, Any]) -> None:
        folded = hourly_rollup.fold()
        if folded is None:
            self.stderr.write("Another process is folding; nothing to do.")
            return
        self.stderr.write(f"{folded} {'delta' if folded == 1 else 'deltas'} folded.")

    def _check(self, options: dict[str, Any]) -> None:
        differences = hourly_rollup.differences()
        for words in differences[: None if options["all"] else SHOWN]:
            self.stdout.write(words)
        if differences:
            raise CommandError(
                f"{len(differences)} differences from the table; 'manage.py rollup rebuild' corrects them."
            )
        self.stderr.write("No differences from the table.")

    def _rebuild(self, options: dict[str, Any]) -> None:
        corrected = hourly_rollup.rebuild()
        self.stderr.write(f"Rebuilt; {corrected} {'figure was' if corrected == 1 else 'figures were'} wrong.")
