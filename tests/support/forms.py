"""Forms as a browser sends them: with the hidden fields that the page put there."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = dict(attributes)
        if tag == "input" and said.get("type") == "hidden" and said.get("name"):
            self.found.setdefault(said["name"] or "", []).append(said.get("value") or "")


def carried(page: Any) -> dict[str, list[str]]:
    """The hidden fields of a page's forms."""
    parser = _HiddenFields()
    parser.feed(page.content.decode())
    return parser.found


def send(client: Client, path: str, opened: Any = None, **typed: Any) -> Any:
    """POST a page's form with what was typed; ``opened`` is the page, if it was not opened just now."""
    return client.post(path, {**carried(opened or client.get(path)), **typed})
