"""``manage.py undo``: undo a decision by its id."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.core.management.base import CommandError, CommandParser

from anomalies.audit import Actor
from anomalies.safe_text import printable
from anomalies.triage.decisions import DecisionError
from anomalies.triage.undo import Decision, State, decision, state, steps

from ..base import ShortUsage
from ..options import add_actor_option


class Command(ShortUsage):
    help = "Undo a decision; anomalies that changed since are skipped and listed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "batch",
            metavar="BATCH",
            help="the decision id, as `decide` printed it or as metadata.batch in the audit log",
        )
        add_actor_option(parser)
        parser.add_argument("--note", default="", help="the reason, for the audit log")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be undone and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        batch, own = options["batch"], uuid4()
        try:
            found = decision(batch)
            self.stderr.write(printable(found.summary))
            if not options["dry_run"]:
                self._undo(found, Actor(options["by"], via="undo"), own, options["note"])
        except DecisionError as error:
            raise CommandError(printable(str(error)), returncode=2) from error
        self._report(state(batch, own), options["dry_run"])

    def _undo(self, found: Decision, actor: Actor, own: Any, note: str) -> None:
        undone = 0
        for step in steps(found.batch, actor, own, note=note):
            undone += step.undone
            if found.rows > undone:
                self.stderr.write(f"undone {undone} of {found.rows} …")
        if undone:
            self.stdout.write(str(own))

    def _report(self, now: State, is_dry: bool) -> None:
        """Print the skipped anomalies with the reason, then the counts; exit with 1 if any was skipped."""
        for left in now.left:
            ids = ", ".join(map(str, left.ids)) + (", …" if left.count > len(left.ids) else "")
            self.stderr.write(printable(f"skipped {left.count}: {left.why} ({ids})"))
        undone = f"would undo {now.open}" if is_dry else f"undone {now.undone}"
        already = f", undone before {now.already}" if now.already else ""
        nothing = "; nothing was changed" if is_dry else ""
        self.stderr.write(f"{undone}{already}, skipped {now.skipped}{nothing}")
        if now.skipped and not is_dry:
            raise SystemExit(1)
