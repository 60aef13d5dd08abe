"""``manage.py archive``: old anomalies move into a compressed file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.listing import Listing
from anomalies.retention.archive_file import Archive, ArchiveError, write
from anomalies.retention.deletion import Progress, delete
from anomalies.retention.selection import count, is_sealed_until, rows

from ..base import ShortUsage
from ..filter_options import add_filter_options, filterset, given_filters
from ..options import LONGEST_AGE, add_actor_option, whole_number
from ..progress import interruptible

MOST = 1_000_000  # rows of one archive: their ids are kept in memory
_LARGEST_LAG = 1_000_000  # MB
_SAY_EVERY = 10_000  # rows


class Command(ShortUsage):
    help = "Move old anomalies into a compressed archive, and delete them from the table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder for archive and manifest")
        parser.add_argument(
            "--older-than",
            type=whole_number(LONGEST_AGE, "days"),
            required=True,
            metavar="DAYS",
            help="only what happened, and was last changed, more than this many days ago",
        )
        parser.add_argument(
            "--most",
            type=whole_number(MOST),
            default=MOST,
            metavar="N",
            help=f"at most this many, oldest first (default: {MOST:,})",
        )
        parser.add_argument(
            "--max-lag",
            type=whole_number(_LARGEST_LAG, "MB"),
            default=64,
            metavar="MB",
            help="wait while a replica is further behind than this (default: 64)",
        )
        parser.add_argument(
            "--unsealed",
            action="store_true",
            help="continue even if the audit log is not sealed up to that age",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the number and change nothing")
        add_actor_option(parser)
        add_filter_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - timedelta(days=options["older_than"])
        listing = listing_of(filterset(options))
        if options["dry_run"]:
            self.stderr.write(f"would archive {min(count(listing, before), options['most']):,} anomalies")
            return
        self._refuse(options, before)
        with interruptible():
            try:
                self._run(listing, before, options)
            except KeyboardInterrupt:
                raise CommandError(
                    "interrupted; each anomaly is in the table, in the archive, or in both"
                ) from None

    def _refuse(self, options: dict[str, Any], before: datetime) -> None:
        """Refuse what would fail half-way."""
        if not options["folder"].is_dir():
            raise CommandError(f"{options['folder']} is not a folder; create it first", returncode=2)
        if not options["unsealed"] and not is_sealed_until(before):
            raise CommandError(
                f"the audit log is not sealed up to {before:%Y-%m-%d}: run `manage.py audit seal` first, "
                "or add --unsealed"
            )
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_table_privilege('anomalies', 'DELETE')")
            if not cursor.fetchone()[0]:
                raise CommandError("this database role may not delete anomalies; use the role that migrates")

    def _run(self, listing: Listing, before: datetime, options: dict[str, Any]) -> None:
        about = {
            "older_than": before.isoformat(),
            "filter": given_filters(options),
            "made_by": options["by"],
        }
        try:
            archive = write(options["folder"], rows(listing, before, options["most"]), **about)
        except ArchiveError as error:
            raise CommandError(str(error)) from error
        if archive is None:
            self.stderr.write("archived 0 anomalies: none that matches is old enough and decided")
            return
        self.stdout.write(str(archive.manifest))
        self._delete(archive, options)

    def _delete(self, archive: Archive, options: dict[str, Any]) -> None:
        now = Progress(0, 0)
        try:
            for now in delete(archive, Actor(options["by"], via="archive"), options["max_lag"] << 20):
                done = now.deleted + now.kept
                waiting = f"; waiting for {now.waits_for}" if now.waits_for else ""
                if waiting or (done % _SAY_EVERY == 0 and done < len(archive.rows)):
                    self.stderr.write(f"deleted {now.deleted:,} of {len(archive.rows):,}{waiting}")
        except DatabaseError as error:
            said = str(error).partition("\n")[0]
            raise CommandError(
                f"{said}; {now.deleted:,} of the {len(archive.rows):,} archived anomalies were deleted, "
                "the others are still in the table and will be archived again"
            ) from error
        kept = f", kept {now.kept:,} that were changed or locked since" if now.kept else ""
        self.stderr.write(f"archived {len(archive.rows):,}, deleted {now.deleted:,}{kept}")
