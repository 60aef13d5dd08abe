"""``manage.py backup``: the whole database into a file, with a manifest beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from anomalies.safe_text import printable
from anomalies.schema.backup.dump import backup
from anomalies.schema.backup.manifest import manifest_of
from anomalies.schema.backup.pg_binaries import BackupError

from ..base import ShortUsage
from ..options import add_dump_options
from ..progress import interruptible, reading_bar, saying


class Command(ShortUsage):
    help = "Back up the whole database into a file, with a manifest to verify it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="the new archive; its manifest is FILE.json"
        )
        parser.add_argument("--force", action="store_true", help="replace an existing backup of that name")
        add_dump_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with interruptible(), reading_bar() as progress:
                made = backup(
                    options["file"],
                    connections[options["database"]],
                    pg_bin=options["pg_bin"],
                    force=options["force"],
                    say=saying(self.stderr),
                    progress=progress,
                )
        except BackupError as error:
            raise CommandError(printable(str(error), 4000)) from error
        except KeyboardInterrupt as error:
            raise CommandError("stopped; no backup was made", returncode=130) from error
        tables, rows = len(made.contents.tables), made.contents.rows
        beside = printable(str(manifest_of(options["file"])))
        self.stderr.write(f"{tables} tables, {rows:,} rows, {made.size:,} bytes; the manifest is {beside}")
