"""The lines that each test runs, measured once, so that a mutant meets only tests that reach it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coverage import Coverage

IMPORT = "import"  # the context of lines that run when modules are imported


@dataclass
class LinesByTest:
    """The lines that ran, by test; begun before the modules are imported."""

    modules: list[Path]
    _found: dict[Path, dict[int, set[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._coverage = Coverage(data_file=None, include=[str(each.resolve()) for each in self.modules])
        self._coverage.start()
        self._coverage.switch_context(IMPORT)

    @contextmanager
    def during(self, test: str) -> Iterator[None]:
        """Lines that run in this block run for this test."""
        self._coverage.switch_context(test)
        yield
        self._coverage.switch_context(IMPORT + " between tests")

    def end(self) -> None:
        """Stop measuring."""
        self._coverage.stop()
        data = self._coverage.get_data()
        for module in self.modules:
            lines = data.contexts_by_lineno(str(module.resolve()))
            self._found[module] = {line: set(contexts) for line, contexts in lines.items()}

    def tests_of(self, module: Path, line: int | None = None) -> set[str]:
        """The tests that reach the statement of this line; without a line all that reach the module."""
        lines = self._found[module] if line is None else _statement(module, line)
        contexts = set().union(*(self._found[module].get(each, set()) for each in lines))
        return {each for each in contexts if not each.startswith(IMPORT)}

    def runs_at_import(self, module: Path, line: int) -> bool:
        """True for a statement that runs while modules are imported."""
        return any(IMPORT in self._found[module].get(each, set()) for each in _statement(module, line))


def _statement(module: Path, line: int) -> range:
    """The lines of the smallest statement around a line; of a compound one its head."""
    tree = ast.parse(module.read_text())
    around = [
        each
        for each in ast.walk(tree)
        if isinstance(each, (ast.stmt, ast.ExceptHandler)) and _first(each) <= line <= _last(each)
    ]
    if not around:
        return range(line, line + 1)
    smallest = min(around, key=lambda each: _last(each) - _first(each))
    return range(_first(smallest), _last(smallest) + 1)


def _first(node: ast.stmt | ast.ExceptHandler) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _last(node: ast.stmt | ast.ExceptHandler) -> int:
    body = getattr(node, "body", None)
    return max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
