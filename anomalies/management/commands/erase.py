"""``manage.py erase``: evidence that is old, or a text in all anomalies, on record."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.privacy.erasure import (
    erase_evidence,
    erase_text,
    left_by_people,
    with_evidence,
    with_text,
)
from anomalies.queries.bounded.filter_listing import listing_of

from ..base import ShortUsage
from ..filter_options import add_filter_options, filterset
from ..options import LONGEST_AGE, add_actor_option, counted, whole_number
from ..progress import interruptible

_SHORTEST = 3  # characters: a shorter text is part of too many words
_LONGEST = 1_000
_SAY_EVERY = 10_000  # rows


def _anomalies(number: int) -> str:
    return "1 anomaly" if number == 1 else f"{number:,} anomalies"


class Command(ShortUsage):
    help = "Erase the evidence of old anomalies, or a text from all of them, on record."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="evidence|text")
        evidence = commands.add_parser("evidence", help="erase the evidence of old anomalies; the rows stay")
        evidence.add_argument(
            "--older-than",
            type=whole_number(LONGEST_AGE, "days"),
            required=True,
            metavar="DAYS",
            help="only of what happened more than this many days ago",
        )
        text = commands.add_parser("text", help='replace a text by "[erased]"')
        text.add_argument(
            "text", metavar="TEXT", help="the text, in any case; - reads it from standard input"
        )
        for each in (evidence, text):
            each.add_argument("--dry-run", action="store_true", help="print the number and change nothing")
            add_actor_option(each)
            add_filter_options(each)

    def handle(self, *args: Any, **options: Any) -> None:
        self._refuse()
        with interruptible():
            try:
                (self._evidence if options["what"] == "evidence" else self._text)(options)
            except KeyboardInterrupt:
                raise CommandError(
                    "interrupted; what was reported is erased, run it again for the rest"
                ) from None

    def _refuse(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_column_privilege('anomalies', 'window_data', 'UPDATE')")
            if not cursor.fetchone()[0]:
                raise CommandError("this database role may not change evidence; use the role that migrates")

    def _evidence(self, options: dict[str, Any]) -> None:
        before = timezone.now() - timedelta(days=options["older_than"])
        listing = listing_of(filterset(options))
        if options["dry_run"]:
            found = with_evidence(listing, before).count()
            self.stderr.write(f"would erase the evidence of {_anomalies(found)}")
            return
        done = self._run(erase_evidence(listing, before, Actor(options["by"], via="erase")))
        self.stderr.write(f"erased the evidence of {_anomalies(done)}")

    def _text(self, options: dict[str, Any]) -> None:
        text = (sys.stdin.readline() if options["text"] == "-" else options["text"]).strip()
        if not _SHORTEST <= len(text) <= _LONGEST or "\0" in text:
            raise CommandError(f"the text must have {_SHORTEST} to {_LONGEST:,} characters", returncode=2)
        listing = listing_of(filterset(options))
        if options["dry_run"]:
            found = with_text(listing.rows, text).count()
            self.stderr.write(f"would erase the text from {_anomalies(found)}")
        else:
            done = self._run(erase_text(listing, text, Actor(options["by"], via="erase")))
            self.stderr.write(f"erased the text from {_anomalies(done)}")
        left = left_by_people(text)
        if left.notes or left.comments:
            self.stderr.write(
                f"the text stays in the notes of {_anomalies(left.notes)} "
                f"and in {counted(left.comments, 'comment')}, which people wrote "
                "and the audit log has recorded"
            )

    def _run(self, progress: Any) -> int:
        done = said = 0
        for done in progress:
            if done - said >= _SAY_EVERY:
                self.stderr.write(f"{done:,} so far")
                said = done
        return done
