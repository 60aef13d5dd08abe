"""Mutants: which faults are made, which are left out, and that a living function takes one on."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="`make mutation` installs it")

from tests.mutation.code_swap import changed_functions, functions, swap
from tests.mutation.equivalent import argument_for, stale
from tests.mutation.mutants import mutants_of

SOURCE = '''"""A module."""

from __future__ import annotations
from dataclasses import dataclass

LIMIT = 3


@dataclass(frozen=True)
class Sum:
    total: int | None = None


def small(number: int | str) -> bool:
    """True for a small number."""
    seen.append(number)
    return number < LIMIT


seen: list[int] = []
'''


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "mutated_here.py").write_text(SOURCE)
    return tmp_path / "mutated_here.py"


def test_faults_are_made_of_comparisons_numbers_and_statements_not_of_annotations(path):
    made = {(each.before, each.after) for each in mutants_of(path)}
    assert made == {
        ("LIMIT = 3", "LIMIT = 2"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("@dataclass(frozen=True)", "class Sum:"),
        ("seen.append(number)", "pass"),
        *(("return number < LIMIT", f"return number {sign} LIMIT") for sign in ("<=", "!=", ">=")),
    }


def test_a_fault_in_a_function_is_swapped_in_and_one_outside_needs_a_process(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    module = importlib.import_module(path.stem)
    monkeypatch.delitem(sys.modules, path.stem)
    hidden = functools.partial(module.small, 3)
    for each in mutants_of(path):
        changed = changed_functions(path, each.source)
        assert (changed is None) is (each.line < 14)
        if each.after == "return number <= LIMIT":
            swap(path, changed)
    assert hidden() is True and functions(path) == [module.small]


def test_an_argument_is_for_one_replaced_line_and_stale_without_that_mutant(path):
    made = mutants_of(path)
    argued = {(str(path), "pass"): "nobody reads what was seen"}
    (mutant,) = [each for each in made if argument_for(each, argued)]
    assert (mutant.before, stale({path: made}, argued)) == ("seen.append(number)", [])
    assert stale({path: []}, argued) == [f"{path}: `pass`"]
    assert stale({}, argued) == []
