"""Fuzzing the parsers: the kept corpus passes, and a reader that fails is found."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest

from tests.support.processes import ROOT
from tests.support.sizes import size

from . import fuzz
from .fuzz_targets import TARGETS

SECONDS = str(size("DRIFTLOCK_FUZZ_SECONDS"))
each_target = pytest.mark.parametrize("name", TARGETS)


@each_target
def test_a_parser_takes_its_seeds_and_the_kept_corpus(name):
    for data in [*TARGETS[name].seeds(), *fuzz.kept(name)]:
        TARGETS[name].run(data)


@each_target
def test_a_corpus_is_kept_for_each_parser(name):
    assert fuzz.kept(name)


def test_mutation_finds_a_reader_that_stumbles_over_a_quote():
    dice = random.Random(1)
    assert any(fuzz.mutated(b'{"a": 1}', dice).count(b'"') == 3 for _ in range(1_000))


@pytest.mark.slow
def test_each_parser_is_fuzzed_and_none_fails(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tests.torture.fuzz",
        "--seconds",
        SECONDS,
        "--crashes",
        str(tmp_path / "c"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    tried = re.findall(r"^fuzz (\w+) +([\d,]+) inputs, none failed", done.stdout, re.MULTILINE)
    assert (done.returncode, [name for name, _ in tried]) == (0, list(TARGETS)), done.stdout + done.stderr
    assert all(number != "0" for _, number in tried)


@pytest.mark.slow
def test_a_reader_that_fails_is_named_with_its_input(tmp_path):
    fault = (
        "import sys; from tests.torture import fuzz, fuzz_targets as t;"
        "name = 'time_format'; seeds = t.TARGETS[name].seeds; fuzz._guided = lambda: False;"
        "t.TARGETS[name] = t.Target(lambda data: 1 // (b'%Z' not in data), seeds);"
        "sys.argv[:1] = ['fuzz', '--target', name, '--seconds', '20', '--seed', '1'];"
        "sys.exit(fuzz.main())"
    )
    command = [sys.executable, "-c", fault, "--crashes", str(tmp_path / "crashes")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    (crash,) = (tmp_path / "crashes").iterdir()
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout and b"%Z" in crash.read_bytes()
