"""Mutants of a module: its source with one small fault each, made by Cosmic Ray's operators.

Theory: a fault that no test notices shows a missing assertion (DeMillo, Lipton and Sayward, "Hints on test
data selection", 1978). Tests that notice three replacements of a comparison notice the others too (Kaminski,
Ammann and Offutt, "Better predicate testing", 2011), so only these are made, and one of each arithmetic
operator. Cosmic Ray has no operator that leaves a statement out (a lost ``fsync`` is such a fault) and none
for ``in``; both are added. Annotations and the arguments of ``@dataclass`` are left out: no behaviour
shows them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

_COMPARISONS = {
    "Eq": ("NotEq", "LtE", "GtE"),
    "NotEq": ("Eq", "Lt", "Gt"),
    "Lt": ("LtE", "NotEq", "GtE"),
    "LtE": ("Lt", "Eq", "Gt"),
    "Gt": ("GtE", "NotEq", "LtE"),
    "GtE": ("Gt", "Eq", "Lt"),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
_ARITHMETIC = {
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "FloorDiv",
    "Div": "Mul",
    "FloorDiv": "Mul",
    "Mod": "Mul",
    "Pow": "Mul",
    "BitOr": "BitAnd",
    "BitAnd": "BitOr",
    "RShift": "LShift",
    "LShift": "RShift",
}
_NAMES = [
    *(f"ReplaceComparisonOperator_{of}_{by}" for of, all_of in _COMPARISONS.items() for by in all_of),
    *(f"ReplaceBinaryOperator_{of}_{by}" for of, by in _ARITHMETIC.items()),
    "ReplaceUnaryOperator_USub_UAdd",
    "ReplaceUnaryOperator_Delete_Not",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
]


class DropStatement(Operator):
    """Leaves out a statement that is a call, adds to a variable or sets an attribute."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """The node's place if it is such a statement."""
        statement = node.type == "simple_stmt" and node.children[0]
        if statement and (_is_call(statement) or _is_effect(statement)):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The statement replaced by ``pass``, on as many lines."""
        first = node.children[0]
        lines = "\\\n" * (first.end_pos[0] - first.start_pos[0])
        node.children[0] = parso.python.tree.Name(
            "pass " + lines if lines else "pass", first.start_pos, prefix=first.get_first_leaf().prefix
        )
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """A statement before and after."""
        return (Example("f(1)\n", "pass\n"), Example("a.b = 1\n", "pass\n"))


class ReplaceMembership(Operator):
    """Replaces ``in`` by ``not in`` and the reverse, in comparisons."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """The places of the operators of a comparison that ask for membership."""
        for at in self._places(node):
            yield node.children[at].start_pos, node.children[at].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The comparison with its operator at that place reversed."""
        at = list(self._places(node))[index]
        node.children[at] = parso.parse(" in" if "not" in node.children[at].get_code() else " not in")
        return node

    @staticmethod
    def _places(node: Any) -> Iterator[int]:
        if node.type == "comparison":
            signs = enumerate(node.children[1::2])
            yield from (2 * n + 1 for n, sign in signs if sign.get_code().split() in (["in"], ["not", "in"]))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """A comparison before and after."""
        return (Example("a in b", "a not in b"), Example("a not in b", "a in b"))


_OURS: dict[str, type[Operator]] = {each.__name__: each for each in (DropStatement, ReplaceMembership)}


def _is_call(statement: Any) -> bool:
    return statement.type == "atom_expr" and statement.children[-1].type == "trailer"


def _is_effect(statement: Any) -> bool:
    if statement.type != "expr_stmt":
        return False
    target, sign = statement.children[:2]
    return target.type == "atom_expr" or (sign.type == "operator" and sign.value not in "=:")


@dataclass(frozen=True)
class Mutant:
    """A module with one fault: ``before`` and ``after`` are the line that differs first."""

    path: Path
    operator: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: `{self.before}` → `{self.after}` ({self.operator})"


def mutants_of(path: Path) -> list[Mutant]:
    """The mutants of a module in the order of their lines, without those that no behaviour can show."""
    original = path.read_text()
    known = {_meaning(original), None}
    found = []
    for name in [*_OURS, *_NAMES]:
        for source in _mutations(original, _operator(name)):
            meaning = _meaning(source)
            if meaning not in known:
                known.add(meaning)
                found.append(_mutant(path, name, original, source))
    return sorted(found, key=lambda each: (each.line, each.operator, each.after))


def _operator(name: str) -> Operator:
    made = _OURS[name] if name in _OURS else get_operator(f"core/{name}")
    return made()


def _mutations(source: str, operator: Operator) -> Iterator[str]:
    tree = get_ast(source)
    places = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(tree))
    for occurrence in range(places):
        with suppress(AttributeError):  # Cosmic Ray can't replace an exception whose name has a dot
            yield mutate_code(source, operator, occurrence)


def _mutant(path: Path, name: str, original: str, source: str) -> Mutant:
    pairs = zip(_lines(original), _lines(source), strict=False)
    (line, before), (_, after) = next((a, b) for a, b in pairs if a[1] != b[1])
    return Mutant(path, name, line, before, after, source)


def _lines(source: str) -> list[tuple[int, str]]:
    """The lines with their numbers, without blank ones, which go with a decorator."""
    return [(at, line.strip()) for at, line in enumerate(source.splitlines(), 1) if line.strip()]


def _meaning(source: str) -> str | None:
    """The program without what no behaviour shows; None for what is no program."""
    try:
        return ast.dump(_Behaviour().visit(ast.parse(source)))
    except SyntaxError:
        return None


class _Behaviour(ast.NodeTransformer):
    """Takes out annotations, which nothing evaluates here, and how dataclasses are stored (frozen, slots)."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        for each in node.decorator_list:
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "dataclass":
                each.keywords = []
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        self.generic_visit(node)
        node.annotation = ast.Constant(0)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return node
