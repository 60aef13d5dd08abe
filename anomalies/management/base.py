"""The base of the commands: wrong usage is answered with a short usage and the error."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class ShortUsage(BaseCommand):
    """A command whose usage line names its arguments only; ``--help`` lists the options below it.

    argparse prints the usage above each error, and with all options it takes up to 17 lines.
    """

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        _shorten(parser)
        return parser


def _shorten(parser: argparse.ArgumentParser) -> None:
    """Set the usage of a parser, and of the parsers of its subcommands."""
    arguments = argparse.ArgumentParser(prog=parser.prog, add_help=False)
    for action in parser._get_positional_actions():
        arguments._add_action(action)
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _shorten(each)
    usage = arguments.format_usage().removeprefix("usage: ").strip()
    parser.usage = f"{usage} [options]".replace("%", "%%")
