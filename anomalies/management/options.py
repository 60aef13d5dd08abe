"""Options that several commands have."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections

from anomalies.safe_text import printable


def add_actor_option(parser: argparse.ArgumentParser) -> None:
    """``--by``: whom the record names; whoever is logged in where nothing is said."""
    parser.add_argument("--by", default=_login_name(), metavar="USERNAME", help="default: %(default)s")


def add_dump_options(parser: argparse.ArgumentParser) -> None:
    """What ``backup`` and ``restore`` have in common: which database, and whose pg_dump and pg_restore."""
    parser.add_argument("--pg-bin", type=Path, metavar="FOLDER", help="where pg_dump and pg_restore are")
    parser.add_argument(
        "--database", default=DEFAULT_DB_ALIAS, choices=list(connections), help="default: %(default)s"
    )


def seconds(text: str) -> float:
    """A positive number of seconds, at most a day, from a command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from above 0 to 86400")
    return value


def printable_lines(text: str) -> str:
    """A message of several lines, which may quote names and queries of others, made safe for a terminal."""
    return "\n".join(printable(line, 4000) for line in text.splitlines())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user without a name
