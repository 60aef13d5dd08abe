"""Options that several commands have."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections

from anomalies.local_times import LocalMomentField
from anomalies.safe_text import printable

LONGEST_AGE = 36_500  # days
_DIGITS = 10  # int() reads any number of them, slowly


def add_actor_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--by``, the actor in the audit log; the default is the operating system's user."""
    parser.add_argument(
        "--by",
        default=_login_name(),
        metavar="USERNAME",
        help="the name for the audit log (default: %(default)s)",
    )


def add_dump_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backup`` and ``restore``: database and PostgreSQL's programs."""
    parser.add_argument("--pg-bin", type=Path, metavar="FOLDER", help="the folder of pg_dump and pg_restore")
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=list(connections),
        help="the alias of the database (default: %(default)s)",
    )


def seconds(text: str) -> float:
    """A positive number of seconds, at most a day, from a command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, at most 86400")
    return value


def whole_number(most: int, unit: str = "") -> Callable[[str], int]:
    """Return a parser of whole numbers from 1 to ``most`` from a command line; an error names the unit."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and 0 < int(text) <= most):
            what = f"a whole number of {unit}" if unit else "a whole number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} from 1 to {most:,}")
        return int(text)

    return parse


at_least_one = whole_number(10**9)


def moment(text: str) -> datetime:
    """A date and time from a command line, in the desk's zone unless it names an offset."""
    try:
        found: datetime = LocalMomentField().clean(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(
            f"{' '.join(error.messages)} Write a date and a time such as 2026-11-28T06:00, not {text!r}."
        ) from None
    return found


def anomaly_id(text: str) -> UUID:
    """The id of an anomaly from a command line."""
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an id, such as 01938c5e-7c00-7000-8000-0242ac120002"
        ) from None


def counted(number: int, noun: str) -> str:
    """A number with its noun, which takes an s for all numbers but 1."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable_lines(text: str) -> str:
    """A message of several lines, which may quote names and queries of others, made safe for a terminal."""
    return "\n".join(printable(line, 4000) for line in text.splitlines())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user without a name
