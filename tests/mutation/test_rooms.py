"""The list of modules to mutate: what it names is there."""

from __future__ import annotations

from tests.mutation.rooms import ROOT, TESTS


def test_the_modules_and_tests_that_are_listed_are_there():
    named = {*TESTS, *(test.partition("::")[0] for tests in TESTS.values() for test in tests)}
    assert [each for each in named if not (ROOT / each).exists()] == []
