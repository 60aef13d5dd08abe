"""Every text that a page shows is marked for translation: with a catalogue that encloses each message in
brackets, no words stand outside of brackets but data, names and units."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.utils.translation import trans_real

from anomalies.models import UserPreferences
from tests.admin.test_queries_of_a_page import PAGES
from tests.admin.test_queries_of_a_page import desk as desk
from tests.admin.test_queries_of_a_page import ids as ids

pytestmark = pytest.mark.django_db

MORE_PAGES = [
    "/admin/preferences/",
    "/admin/password_change/",
    "/admin/anomalies/triagerule/add/",
    "/admin/anomalies/notificationrule/add/",
    "/admin/anomalies/apitoken/add/",
    "/admin/anomalies/detectionconfig/add/",
    "/admin/anomalies/anomaly/?status=pending&stream=logs&tags_all=t&ncd_min=0.2&since=2026-11-01T00:00&within=24h",
    "/admin/anomalies/anomaly/?p_min=7&q=satus:pending",
    "/admin/anomalies/anomaly/?pattern=00000000-0000-0000-0000-000000000000",
    "/admin/anomalies/pattern/?q=nothing-like-it",
    "/admin/anomalies/nonsense/",
    "/sign-in/factors/",
]
KEPT = {"format", "percentage"}  # contexts whose messages are no words
SAID = ("title", "aria-label", "placeholder", "alt", "label")
SILENT = {"script", "style", "code", "kbd", "pre"}

# What stands on pages as it is in every language: names, terms that nobody translates, units, times in
# ISO 8601 with their zone, and ids.
TERMS = r"""
    Driftlock | NCD | LLM | UTC | English | Deutsch | Enter | Prometheus\ Alertmanager
    | \b(read|ingest|decide|configure):          # the names of scopes
    | \b(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Europe|Indian|Mexico
        |Pacific|US)/[\w/+-]+                           # zones
    | \b[0-9a-f]{8}-[0-9a-f-]{27}\b | \b[0-9a-f]{8}\b
    | [0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.+]+)?
    | \b(d|h|min|s|ms|k|p|n)\b | ½
"""
# What these tests have stored: people, tags, hosts, notes, explanations of a detector and lines of evidence;
# the actions and the columns of the audit log, which are shown as they are stored.
DATA = r"""
    \b(lead|ana|bo|driftlock|system|t|db1|look|why)\b
    | (2\ of\ 10|of\ \#)\ lines\ are\ new: | deadlock\ detected
    | checkpoint\ (starting|complete)
    | ^\s*(create|dismiss|acknowledge|grant|login|assign)\s*$
    | ^\s*[a-z]+(_[a-z]+)*(,\ [a-z]+(_[a-z]+)*)+\s*$
"""
# Django's own template has no translation for the text of a picture.
DJANGO = r"^Search$"
ALLOWED = re.compile(f"{TERMS}|{DATA}|{DJANGO}", re.VERBOSE)


class Pseudo:
    """A catalogue whose every message is itself, in brackets."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def gettext(self, message: str) -> str:
        context, _, text = message.rpartition("\x04")
        return self.real.gettext(message) if context in KEPT else f"⟦{text}⟧"

    def ngettext(self, one: str, many: str, number: int) -> str:
        return f"⟦{(one if number == 1 else many).rpartition(chr(4))[2]}⟧"


class Texts(HTMLParser):
    """The texts of a page that somebody reads or hears, each with where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [given[name] or "" for name in SAID if name in given]
        if tag == "input" and given.get("type") in ("submit", "button"):
            self.found.append(given.get("value") or "")
        if tag in SILENT:
            self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if not self.within:
            self.found.append(data)


def unmarked(page: str) -> list[str]:
    """The words of a page outside of brackets."""
    while page != (page := re.sub("⟦[^⟦⟧]*⟧", " ", page)):
        pass
    texts = Texts()
    texts.feed(page)
    left = (ALLOWED.sub(" ", text) for text in texts.found)
    return [" ".join(text.split()) for text in left if re.search(r"[^\W\d_]{2,}|\b[^\W\d_]\b", text)]


@pytest.fixture
def pseudo(monkeypatch, lead) -> None:
    """The lead reads German, and German is English in brackets."""
    UserPreferences.objects.create(user=lead, language="de", formats="iso")
    monkeypatch.setitem(trans_real._translations, "de", Pseudo(trans_real.translation("de")))


@pytest.mark.parametrize("page", [*PAGES, *MORE_PAGES])
def test_a_page_says_nothing_that_is_not_marked(pseudo, desk, ids, page):
    for name, value in ids.items():
        page = page.replace(name, value)
    answer = desk.get(page, follow=True)
    if answer["Content-Type"].startswith("text/html"):
        text = b"".join(answer).decode()
        assert "⟦" in text, "not in the language that is meant"
        assert unmarked(text) == []


def test_a_word_outside_of_brackets_is_found():
    page = '<p title="a hint">⟦Marked ⟦twice⟧⟧ <b>NCD</b> bare</p><script>code</script>'
    assert unmarked(page) == ["a hint", "bare"]
