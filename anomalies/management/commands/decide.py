"""``manage.py decide``: a decision about one anomaly, or about all that a filter names."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anomalies.audit import Actor
from anomalies.models import DismissalReason
from anomalies.transitions import MOVES, DecisionError, decide

from ..filter_options import add_filter_options, filterset, given_filters
from ..options import add_actor_option


class Command(BaseCommand):
    help = "Acknowledge, dismiss, investigate or reopen anomalies: by id, or all that match the filters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(MOVES))
        parser.add_argument("ids", nargs="*", type=UUID, metavar="ID")
        parser.add_argument("--reason", choices=DismissalReason.values, help="of a dismissal")
        parser.add_argument("--note", default="", help="added to the notes of each")
        add_actor_option(parser)
        parser.add_argument("--dry-run", action="store_true", help="say how many, and change nothing")
        add_filter_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        ids = self._ids(options)
        if options["dry_run"]:
            self.stderr.write(f"would {options['action']} {len(ids)}; nothing was changed")
            return
        actor = Actor(options["by"], via="decide")
        try:
            outcome = decide(options["action"], ids, actor, reason=options["reason"], note=options["note"])
        except DecisionError as error:
            raise CommandError(str(error), returncode=2) from error
        if outcome.decided:
            self.stdout.write(str(outcome.batch))  # what `undo` takes
        for refusal in outcome.refused:
            self.stderr.write(f"{refusal.id}: {refusal.why}")
        self.stderr.write(f"decided {len(outcome.decided)}, refused {len(outcome.refused)}")
        if outcome.refused:
            raise SystemExit(1)

    def _ids(self, options: dict[str, Any]) -> list[UUID]:
        filtered = bool(given_filters(options))
        if bool(options["ids"]) == filtered:
            raise CommandError(
                "Name anomalies by their ids, or by filters such as --status pending.", returncode=2
            )
        return list(filterset(options).qs.values_list("pk", flat=True)) if filtered else options["ids"]
