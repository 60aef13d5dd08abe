"""The texts of the command line: a line of help for each command, help for each option, short errors."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, get_commands, load_command_class
from django.core.management.base import BaseCommand

from anomalies.management.filter_options import filterset
from tests.support.processes import ROOT, manage

OURS = sorted(name for name, app in get_commands().items() if app == "anomalies")

each_command = pytest.mark.parametrize("name", OURS)


def parser_of(name: str) -> argparse.ArgumentParser:
    return load_command_class("anomalies", name).create_parser("manage.py", name)


def own_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    common = {action.dest for action in BaseCommand().create_parser("manage.py", "x")._actions}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from own_actions(each)
        elif action.dest not in common:
            yield action


def run(*arguments: str) -> tuple[int, list[str]]:
    """The exit status of manage.py as a process, and the lines on standard error."""
    process = manage(*arguments)
    _, said = process.communicate(timeout=600)
    return process.returncode, said.decode().splitlines()


@each_command
def test_the_help_of_a_command_is_one_sentence_that_fits_a_line(name):
    said = load_command_class("anomalies", name).help
    assert re.fullmatch(r"[A-Z][^.]*\.", said)
    assert len(said) <= 90


@each_command
def test_each_argument_and_option_of_a_command_has_a_help_text(name):
    silent = [action.dest for action in own_actions(parser_of(name)) if not action.help]
    assert silent == []


@each_command
def test_the_usage_of_a_command_takes_at_most_three_lines(name):
    assert len(parser_of(name).format_usage().splitlines()) <= 3


def test_help_lists_each_command_with_its_sentence():
    done = subprocess.run([sys.executable, "manage.py", "help"], cwd=ROOT, capture_output=True, text=True)
    for name in OURS:
        sentence = load_command_class("anomalies", name).help.rstrip(".")
        assert f"  {name:<24}{sentence}\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["decide", "nope"], "'acknowledge', 'dismiss', 'investigate', 'reopen'"),
        (["decide"], "{acknowledge,dismiss,investigate,reopen}"),
        (["decide", "reopen", "12x"], "such as 01938c5e-7c00-7000-8000-0242ac120002"),
        (["schema"], "version|check|down|force|fill|adopt"),
        (["audit", "seal", "--every", "x"], "a number of seconds above 0"),
        (["rollup", "nope"], "'fold', 'check', 'rebuild'"),
        (["export", "--format", "xml"], "'csv', 'jsonl'"),
        (["ingest"], "FILE|-"),
        (["detect", "--workers", "many", "x.log"], "whole number from 0 to 1000"),
    ],
    ids=" ".join,
)
def test_wrong_usage_names_the_choices_or_the_format_in_five_lines(arguments, named):
    code, lines = run(*arguments)
    assert (code, len(lines) <= 5) == (2, True)
    assert named in "\n".join(lines)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("status", "bogus", "Choose from pending, acknowledged, dismissed, investigating."),
        ("ncd_min", "high", "It takes: 0 to 1."),
        ("since", "yesterday", "It takes: date and time."),
    ],
)
def test_a_wrong_value_of_a_filter_names_what_it_takes(option, value, named):
    with pytest.raises(CommandError, match=re.escape(named)):
        filterset({f"filter_{option}": [value]})
