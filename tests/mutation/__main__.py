"""``python -m tests.mutation seals undo --sample 60 --seed 1``: mutants of modules, and what tests miss.

Prints each survivor and a table. Exits with 1 if fewer than ``--least`` percent were killed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path

import pytest

from .equivalent import argument_for, stale
from .measured_coverage import LinesByTest
from .mutants import Mutant, mutants_of
from .rooms import ROOT, modules_named, tests_of
from .warm import Limits, Verdict, WarmRunner


def main() -> int:
    """Run the mutants of the modules that are named, and print the table."""
    options = _options()
    os.chdir(ROOT)
    modules = modules_named(options.modules)
    lines = LinesByTest(modules)  # before anything of ours is imported
    made = {module: mutants_of(module) for module in modules}
    testable = {module: [each for each in made[module] if not argument_for(each)] for module in modules}
    chosen = [each for module in modules for each in _sample(testable[module], options)]
    started = time.monotonic()
    runner = WarmRunner(chosen, lines, Limits(options.test_seconds, options.mutant_seconds), _say)
    given = ["-q", "--no-header", "-p", "no:cacheprovider", "-p", "tests.mutation.pristine"]
    code = pytest.main([*given, *tests_of(modules)], plugins=[runner])
    if len(runner.verdicts) < len(chosen):
        print(f"\nstopped: {len(runner.verdicts)} of {len(chosen)} mutants were tried")
    print(f"\nseed {options.seed}, at most {options.sample or 'all'} mutants a module")
    rate = _table(made, runner.verdicts)
    print(f"took {time.monotonic() - started:.0f} s")
    for each in stale(made):
        print(f"argued, but no mutant any more: {each}")
    return int(code) or (0 if rate >= options.least and not stale(made) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description="Test the tests by mutants."
    )
    parser.add_argument("modules", nargs="*", help="parts of the paths of modules; none: all of rooms.py")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="mutants a module, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, help="mutants of this line only")
    parser.add_argument("--test-seconds", type=float, default=3, metavar="S", help="leave slower tests out")
    parser.add_argument("--mutant-seconds", type=float, default=10, metavar="S", help="of tests for each")
    parser.add_argument("--least", type=float, default=90, metavar="PERCENT", help="of killed ones")
    return parser.parse_args()


def _sample(mutants: list[Mutant], options: argparse.Namespace) -> list[Mutant]:
    if options.line:
        mutants = [each for each in mutants if each.line == options.line]
    if not options.sample or len(mutants) <= options.sample:
        return mutants
    chosen = random.Random(options.seed).sample(range(len(mutants)), options.sample)
    return [mutants[at] for at in sorted(chosen)]


def _say(verdict: Verdict) -> None:
    if not verdict.killer:
        reach = f"{verdict.tests} tests" if verdict.tests else "no test reaches it"
        print(f"\nsurvived {verdict.mutant}; {reach}", flush=True)


def _table(made: dict[Path, list[Mutant]], verdicts: list[Verdict]) -> float:
    print(f"{'module':<44}{'mutants':>8}{'argued':>7}{'tried':>7}{'killed':>7}{'by time':>8}{'%':>7}")
    for module, mutants in made.items():
        _row(str(module), mutants, [each for each in verdicts if each.mutant.path == module])
    return _row("all", [each for mutants in made.values() for each in mutants], verdicts)


def _row(name: str, made: list[Mutant], verdicts: list[Verdict]) -> float:
    killed, late = (sum(map(bool, col)) for col in ([v.killer for v in verdicts], _late(verdicts)))
    rate = 100 * killed / len(verdicts) if verdicts else 100.0
    argued = sum(map(bool, map(argument_for, made)))
    print(f"{name:<44}{len(made):>8}{argued:>7}{len(verdicts):>7}{killed:>7}{late:>8}{rate:>7.1f}")
    return rate


def _late(verdicts: list[Verdict]) -> list[bool]:
    return [each.killer == "time" for each in verdicts]


if __name__ == "__main__":
    sys.exit(main())
