"""``manage.py undo``: take a decision back, by its batch."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anomalies.audit import Actor
from anomalies.safe_text import printable
from anomalies.triage.decisions import DecisionError
from anomalies.triage.undo import Decision, State, decision, state, steps

from ..options import add_actor_option


class Command(BaseCommand):
    help = (
        "Undo a decision: each anomaly goes back to what it was; what changed since is left alone and listed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "batch", metavar="BATCH", help="what `decide` printed, or the record's metadata.batch"
        )
        add_actor_option(parser)
        parser.add_argument("--note", default="", help="for the record: why")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be undone, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        batch, own = options["batch"], uuid4()
        try:
            found = decision(batch)
            self.stderr.write(printable(found.told))
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
        """What was left alone and why, the counts last; exit status 1 where anything was left."""
        for left in now.left:
            ids = ", ".join(map(str, left.ids)) + (", …" if left.count > len(left.ids) else "")
            self.stderr.write(printable(f"left alone {left.count}: {left.why} ({ids})"))
        undone = f"would undo {now.open}" if is_dry else f"undone {now.undone}"
        already = f", undone before {now.already}" if now.already else ""
        nothing = "; nothing was changed" if is_dry else ""
        self.stderr.write(f"{undone}{already}, left alone {now.skipped}{nothing}")
        if now.skipped and not is_dry:
            raise SystemExit(1)
