"""The documentation: its links lead somewhere, the index lists each page, and the glossary each term once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"\bdocs/[\w/-]+\.md\b")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def terms() -> list[str]:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    return [row for row in rows if row != "term"]


@each_page
def test_a_link_leads_to_a_file(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("folder", ["anomalies", "driftlock", "scripts", "tests", "docs", "benchmarks"])
def test_a_page_that_a_text_names_exists(folder):
    texts = [path for ending in ("py", "html", "md") for path in (ROOT / folder).rglob(f"*.{ending}")]
    named = {name for path in texts for name in NAMED.findall(path.read_text())}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_index_lists_each_page_once():
    listed = re.findall(r"^\| \[[^]]+\]\(([^)/]+\.md)\)", (DOCS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page.name != "README.md")


def test_the_index_leads_to_the_decisions():
    assert "(decisions/README.md)" in (DOCS / "README.md").read_text()


def test_the_glossary_has_each_term_once_in_alphabetical_order():
    assert len(terms()) > 50
    assert terms() == sorted(set(terms()), key=str.casefold)
