"""Plain words: no idiom that was retired, and no docstring that begins with a question word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LANDED = "anomalies/migrations/"  # landed migrations never change
RETIRED = re.compile(
    r"(?<![.\w])told\b|\banew\b|\bwhose turn\b|\bheld against\b|\bbears?\b|\bmeanwhile\b|\bto be had\b"
    r"|\bcan't be had\b|\bleft alone\b|\blaxer\b|\bdoors?\b|\bmany[ -]hands\b|\bschema(-|'s )life\b"
    r"|\bthe house\b",
    re.IGNORECASE,
)
NAME_OF_A_TEST = re.compile(r"\bdef test_\w+")
QUESTION = re.compile(r"(What|Whether|How|Who|Where|When|Which|Why)\b")
ENDINGS = (".py", ".html", ".css", ".js", ".md", "Makefile", "compose.yaml")


def texts() -> Iterator[Path]:
    """The files whose words are held to the rule."""
    names = ("anomalies", "driftlock", "scripts", "docs", "tests", "benchmarks", "samples")
    found = [path for name in names for path in sorted((ROOT / name).rglob("*")) if path.is_file()]
    found.remove(Path(__file__))  # it names the retired words
    found += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "compose.yaml")]
    for path in found:
        name = str(path.relative_to(ROOT))
        if name.endswith(ENDINGS) and not name.startswith(LANDED):
            yield path


def retired_in(text: str) -> list[str]:
    """The lines with a retired idiom, in the name of a test too: "12: told"."""
    named = NAME_OF_A_TEST.sub(lambda name: name[0].replace("_", " "), text)
    lines = enumerate(named.splitlines(), 1)
    return [f"{number}: {found[0]}" for number, line in lines for found in RETIRED.finditer(line)]


def questions_in(text: str) -> list[str]:
    """The docstrings that begin with a question word: "12: What …"."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    said = [(node, ast.get_docstring(node) or "") for node in nodes]
    return [f"{node.body[0].lineno}: {words[:40]}" for node, words in said if QUESTION.match(words)]


each_text = pytest.mark.parametrize("path", list(texts()), ids=lambda path: str(path.relative_to(ROOT)))
each_module = pytest.mark.parametrize(
    "path", [path for path in texts() if path.suffix == ".py"], ids=lambda path: str(path.relative_to(ROOT))
)


@each_text
def test_a_text_has_no_retired_idiom(path):
    assert retired_in(path.read_text()) == []


@each_module
def test_a_docstring_begins_with_what_the_thing_is_or_does(path):
    assert questions_in(path.read_text()) == []


def test_a_retired_idiom_is_found_with_its_line():
    assert retired_in("fine\nthe user is told anew\nentry.told is a name") == ["2: told", "2: anew"]


def test_a_retired_idiom_in_the_name_of_a_test_is_found():
    assert retired_in("def test_a_line_is_told():\n    told_off()") == ["1: told"]


def test_a_question_is_found_with_its_line():
    assert questions_in('"""Rows."""\ndef f():\n    """Whether it is."""\n') == ["3: Whether it is."]
