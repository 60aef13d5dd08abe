"""The catalogue of each language: complete, with the placeholders of the source, compiled, and up to date."""

from __future__ import annotations

import gettext
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftlock.settings import LANGUAGES

ROOT = Path(__file__).parents[2]
LOCALE = ROOT / "anomalies" / "locale"
OTHERS = [code for code, _ in LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|(?<!\$)\{\w*\}")
needs_gettext = pytest.mark.skipif(
    not (shutil.which("xgettext") and shutil.which("msgfmt")), reason="GNU gettext is not installed"
)

each_language = pytest.mark.parametrize("language", OTHERS)
OPTIONS = ("--no-location", "--no-wrap", "--no-obsolete")
_LINE = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) )?"(.*)"$')


def messages(path: Path) -> Iterator[dict[str, str]]:
    """The entries of a .po file, each part of an entry under its keyword; ``flags`` has its flags."""
    for block in path.read_text().split("\n\n"):
        entry, at = {"flags": ""}, ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry["flags"] += line
            if found := _LINE.match(line):
                at = found[1] or at
                entry[at] = entry.get(at, "") + found[2].replace('\\"', '"').replace("\\n", "\n")
        if entry.get("msgid"):
            yield entry


def catalog(language: str) -> list[dict[str, str]]:
    return list(messages(LOCALE / language / "LC_MESSAGES" / "django.po"))


@each_language
def test_every_message_is_translated_and_none_is_a_guess(language):
    entries = catalog(language)
    assert len(entries) > 1_000
    assert [entry["msgid"] for entry in entries if "fuzzy" in entry["flags"]] == []
    assert [
        entry["msgid"]
        for entry in entries
        for part, text in entry.items()
        if part.startswith("msgstr") and not text
    ] == []


@each_language
def test_a_translation_has_the_placeholders_of_its_message(language):
    wrong = [
        (text, entry["msgid"])
        for entry in catalog(language)
        for part, text in entry.items()
        if part.startswith("msgstr")
        and sorted(PLACEHOLDER.findall(text))
        not in (
            sorted(PLACEHOLDER.findall(entry["msgid"])),
            sorted(PLACEHOLDER.findall(entry.get("msgid_plural", entry["msgid"]))),
        )
    ]
    assert wrong == []


@each_language
def test_what_is_loaded_is_what_is_written(language):
    """The compiled catalogue holds each translation of the source, and is the one in the wheel."""
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        loaded = gettext.GNUTranslations(file)
    for entry in catalog(language):
        context = entry.get("msgctxt", "")
        if "msgid_plural" in entry:
            key = f"{context}\4{entry['msgid']}" if context else entry["msgid"]
            assert loaded.ngettext(key, "", 1) == entry["msgstr[0]"]
            assert loaded.ngettext(key, "", 2) == entry["msgstr[1]"]
        elif context:
            assert loaded.pgettext(context, entry["msgid"]) == entry["msgstr"]
        else:
            assert loaded.gettext(entry["msgid"]) == entry["msgstr"]


@needs_gettext
@each_language
def test_gettext_finds_no_fault(language, tmp_path):
    source = LOCALE / language / "LC_MESSAGES" / "django.po"
    checked = subprocess.run(
        ["msgfmt", "--check", "-o", tmp_path / "checked.mo", source], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "checked.mo").read_bytes() == source.with_suffix(".mo").read_bytes()


@needs_gettext
@each_language
def test_the_catalogue_has_the_messages_of_the_program_and_no_others(language, tmp_path):
    """Extracting again, as docs/languages.md says, changes no message."""
    shutil.copytree(ROOT / "anomalies", tmp_path / "anomalies", ignore=shutil.ignore_patterns("*.pyc"))
    made = subprocess.run(
        [sys.executable, ROOT / "manage.py", "makemessages", "-l", language, *OPTIONS],
        cwd=tmp_path / "anomalies",
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    extracted = tmp_path / "anomalies" / "locale" / language / "LC_MESSAGES" / "django.po"

    def keys(entries: list[dict[str, str]]) -> set[tuple[str, ...]]:
        return {
            tuple(entry.get(part, "") for part in ("msgctxt", "msgid", "msgid_plural")) for entry in entries
        }

    assert keys(list(messages(extracted))) == keys(catalog(language))
