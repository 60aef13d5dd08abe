"""The command line: what ``driftlock`` of an installed wheel and ``manage.py`` of a checkout both run."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that the arguments name, with the product's settings unless others are named.

    What an operator can set wrong ends with one line on standard error: 2 where a setting is wrong, 1 where
    the database fails. ``--traceback`` shows where it was found.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import Error as DatabaseFailure
    from psycopg import Error as DriverFailure

    if "--traceback" in sys.argv:
        execute_from_command_line(sys.argv)
        return
    try:
        execute_from_command_line(sys.argv)
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


# What to do about a SQLSTATE of PostgreSQL, or its class.
_WAYS_ON = {
    "42P01": "the tables are not there yet; run: migrate",
    "3F000": "the schema is not there yet; run: migrate",
    "42703": "the tables are older than this version; run: migrate",
    "42501": "the database user lacks this privilege; `roles --sql` prints what each role needs",
    "25006": "the server accepts no writes: a standby, or default_transaction_read_only is on",
    "53": "the server is short of something: connections, memory or disk",
}


def _of_the_database(error: Exception) -> str:
    """PostgreSQL's first line, and the way on where there is one."""
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or ""
    way_on = _WAYS_ON.get(state) or _WAYS_ON.get(state[:2])
    line = " ".join(str(error).strip().partition("\n")[0].split())
    if not state:
        way_on = way_on or "check DATABASE_URL and that the server runs"
    return f"the database failed: {line}" + (f" ({way_on})" if way_on else "")
