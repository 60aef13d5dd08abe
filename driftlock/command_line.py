"""The command line of ``driftlock`` in an installed wheel and of ``manage.py`` in a checkout."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from textwrap import shorten

from django.core.management import ManagementUtility, get_commands, load_command_class


class CommandLine(ManagementUtility):
    """Django's command line, whose ``help`` describes each command in one line."""

    def main_help_text(self, commands_only: bool = False) -> str:
        """Return the commands by app, each with the first sentence of its help."""
        if commands_only:
            return super().main_help_text(commands_only=True)
        apps = groupby(sorted(get_commands().items(), key=_by_app), key=lambda item: item[1])
        groups = ["\n".join([f"[{app}]", *(_line(name, app) for name, _ in own)]) for app, own in apps]
        return "\n\n".join([f"Type '{self.prog_name} COMMAND --help' for the options of a command.", *groups])


def _by_app(item: tuple[str, str]) -> tuple[bool, str, str]:
    name, app = item
    return app != "anomalies", app, name  # the product's commands first


def _line(name: str, app: str) -> str:
    sentence = " ".join(load_command_class(app, name).help.split()).partition(". ")[0].rstrip(".")
    return f"  {name:<24}{shorten(sentence, 90, placeholder=' …')}".rstrip()


def main() -> None:
    """Run the command that the arguments name, with the product's settings unless others are named.

    A wrong setting ends it with one line on standard error and exit status 2, a database error with one line
    and exit status 1. ``--traceback`` shows the traceback.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.db import Error as DatabaseFailure
    from psycopg import Error as DriverFailure

    if "--traceback" in sys.argv:
        CommandLine(sys.argv).execute()
        return
    try:
        CommandLine(sys.argv).execute()
    except ImproperlyConfigured as error:
        _end(f"a setting is wrong: {error}", 2)
    except (DatabaseFailure, DriverFailure) as error:
        _end(_of_the_database(error), 1)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush into
        sys.exit(141)
    except EOFError:
        _end("there is no terminal to answer the question; --noinput answers it where the command has it", 2)
    except OSError as error:
        _end(str(error), 1)


def _end(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)


# The remedy for a SQLSTATE of PostgreSQL, or for its class.
_WAYS_ON = {
    "42P01": "the tables are not there yet; run: migrate",
    "3F000": "the schema is not there yet; run: migrate",
    "42703": "the tables are older than this version; run: migrate",
    "42501": "the database user lacks this privilege; `roles --sql` prints what each role needs",
    "25006": "the server accepts no writes: a standby, or default_transaction_read_only is on",
    "53": "the server lacks connections, memory or disk space",
}


def _of_the_database(error: Exception) -> str:
    """Return the first line of PostgreSQL's message, with the remedy if there is one."""
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""
    way_on = _WAYS_ON.get(state) or _WAYS_ON.get(state[:2])
    line = " ".join(str(error).strip().partition("\n")[0].split())
    if not state:
        way_on = way_on or "check DATABASE_URL and that the server runs"
    return f"the database failed: {line}" + (f" ({way_on})" if way_on else "")
