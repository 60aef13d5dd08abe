"""``manage.py migrate``: Django's own, under traffic and in several processes (``schema.migrate.run``)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DatabaseError, connections

from anomalies.safe_text import printable
from anomalies.schema import preflight
from anomalies.schema.migrate.lock_retries import GaveUp, Limits
from anomalies.schema.migrate.run import guarded
from anomalies.schema.poolers import PoolerError, own_session

from ..base import ShortUsage
from ..options import printable_lines, seconds

LIMITS = Limits()


class Command(ShortUsage, migrate.Command):
    help = "Apply migrations, under traffic and by several processes at once."
    _line_is_open = False

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=seconds,
            default=LIMITS.lock_timeout,
            metavar="SECONDS",
            help="how long other transactions may wait for a lock of a migration (default: %(default)s)",
        )
        parser.add_argument(
            "--patience",
            type=seconds,
            default=LIMITS.patience,
            metavar="SECONDS",
            help="how long to retry each migration (default: %(default)s)",
        )

    def get_check_kwargs(self, options: Any) -> Any:
        """Django's, without the checks of the database, which ``handle`` makes."""
        return {**super().get_check_kwargs(options), "databases": None}

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:  # they change nothing
            super().handle(*args, **options)
            return
        limits = Limits(options["lock_timeout"], options["patience"])
        connection = connections[options["database"]]
        try:
            preflight.check(connection)
            with own_session(connection), guarded(connection, limits, self._say):
                super().handle(*args, **options)
        except (preflight.PreflightError, PoolerError) as error:
            raise CommandError(printable_lines(f"refused, and nothing was changed\n{error}")) from error
        except GaveUp as error:
            raise CommandError(printable_lines(str(error))) from error
        except DatabaseError as error:  # no connection, one that was lost, or an object that is in the way
            raise CommandError(printable_lines(str(error).strip())) from error

    def migration_progress_callback(self, action: str, *about: Any, **options: Any) -> None:
        super().migration_progress_callback(action, *about, **options)
        self._line_is_open = self.verbosity >= 1 and action.endswith("_start")

    def _say(self, line: str) -> None:
        """Write a line to stderr, apart from Django's own; it may quote another client's query."""
        if self._line_is_open:
            self._line_is_open = False
            self.stdout.write("")
            self.stdout.flush()
        self.stderr.write(printable(line, 4000))
