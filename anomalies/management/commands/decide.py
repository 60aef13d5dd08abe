"""``manage.py decide``: a decision about one anomaly, or about all that a filter names."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from anomalies.audit import Actor
from anomalies.models import DismissalReason
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.matches import every
from anomalies.queries.filters import in_words
from anomalies.safe_text import printable
from anomalies.triage.decisions import MOVES, DecisionError, check, decide
from anomalies.triage.frozen_selection import begin, decide_parts, freeze, result

from ..base import ShortUsage
from ..filter_options import add_filter_options, filterset, given_filters
from ..options import add_actor_option, anomaly_id


class Command(ShortUsage):
    help = "Acknowledge, dismiss, investigate or reopen anomalies, by id or by filters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(MOVES), help="the decision")
        parser.add_argument(
            "ids", nargs="*", default=[], type=anomaly_id, metavar="ID", help="id of an anomaly"
        )
        parser.add_argument("--reason", choices=DismissalReason.values, help="the reason of a dismissal")
        parser.add_argument("--note", default="", help="text that is added to the notes of each anomaly")
        add_actor_option(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="print the number of anomalies and change nothing"
        )
        add_filter_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        filtered = bool(given_filters(options))
        if bool(options["ids"]) == filtered:
            raise CommandError(
                "Name anomalies by their ids, or by filters such as --status pending.", returncode=2
            )
        try:
            check(options["action"], options["reason"], options["note"])
            decided, refused = (self._matching if filtered else self._named)(options)
        except DecisionError as error:
            raise CommandError(str(error), returncode=2) from error
        if not options["dry_run"]:
            self.stderr.write(f"decided {decided}, refused {refused}")
        if refused:
            raise SystemExit(1)

    def _named(self, options: dict[str, Any]) -> tuple[int, int]:
        """Decide about the ids that were given: how many were decided, and how many refused."""
        if self._is_dry(options, len(options["ids"])):
            return 0, 0
        said = {"reason": options["reason"], "note": options["note"]}
        outcome = decide(options["action"], options["ids"], _actor(options), **said)
        self._say_batch(outcome.batch, len(outcome.decided))
        for refusal in outcome.refused:
            self.stderr.write(printable(f"{refusal.id}: {refusal.why}"))
        return len(outcome.decided), len(outcome.refused)

    def _matching(self, options: dict[str, Any]) -> tuple[int, int]:
        """Decide about what matches now, in parts; rows that arrive or change since are skipped."""
        asked_for = filterset(options)
        matching = every(listing_of(asked_for))
        if self._is_dry(options, matching.count() if options["dry_run"] else 0):
            return 0, 0
        asked = freeze(matching, options["by"], options["action"], in_words(asked_for))
        asked = begin(asked, options["reason"], options["note"])
        self._say_batch(asked.pk, asked.rows)
        for now in decide_parts(asked, _actor(options)):
            asked = now
            if now.done_to < now.rows:
                self.stderr.write(f"looked at {now.done_to} of {now.rows} …")
        found = result(asked)
        for left in found.left:
            ids = ", ".join(map(str, left.ids)) + (", …" if left.count > len(left.ids) else "")
            self.stderr.write(printable(f"{left.count}: {left.why} ({ids})", 2_000))
        return found.decided, found.skipped

    def _is_dry(self, options: dict[str, Any], count: int) -> bool:
        if options["dry_run"]:
            self.stderr.write(f"would {options['action']} {count}; nothing was changed")
        return bool(options["dry_run"])

    def _say_batch(self, batch: UUID | None, rows: int) -> None:
        """Print the decision id for `undo`, before the work, so that it is known after an interruption."""
        if rows:
            self.stdout.write(str(batch))


def _actor(options: dict[str, Any]) -> Actor:
    return Actor(options["by"], via="decide")
