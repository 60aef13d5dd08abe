"""``manage.py restore``: a backup into an empty database, verified against its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from anomalies.safe_text import printable
from anomalies.schema.backup.pg_binaries import BackupError
from anomalies.schema.backup.restore import Restored, restore

from ..base import ShortUsage
from ..options import add_dump_options
from ..progress import interruptible, reading_bar, saying


class Command(ShortUsage):
    help = "Restore a backup into an empty database and verify every table."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="an archive made by `backup`")
        parser.add_argument("--no-privileges", action="store_true", help="restore no grants")
        add_dump_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with interruptible(), reading_bar() as progress:
                restored = restore(
                    options["file"],
                    connections[options["database"]],
                    pg_bin=options["pg_bin"],
                    privileges=not options["no_privileges"],
                    say=saying(self.stderr),
                    progress=progress,
                )
        except BackupError as error:
            raise CommandError(printable(str(error), 4000)) from error
        except KeyboardInterrupt as error:
            raise CommandError("stopped before the restore was verified", returncode=130) from error
        self._say(restored)

    def _say(self, restored: Restored) -> None:
        if restored.differences:
            for difference in restored.differences:
                self.stderr.write(printable(difference))
            raise CommandError(
                f"{len(restored.differences)} differences from the manifest: drop this database."
            )
        if restored.to_migrate:
            self.stderr.write(f"to do: manage.py migrate ({len(restored.to_migrate)} migrations are newer)")
        else:
            self.stderr.write("manage.py migrate has nothing to do")
        contents = restored.manifest.contents
        self.stderr.write(
            f"{len(contents.tables)} tables, {contents.rows:,} rows, {len(contents.sequences)} sequences, "
            f"{len(contents.migrations)} migrations: all as in the manifest"
        )
