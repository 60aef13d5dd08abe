"""The desk's addresses and forms as a browser sends them, with the hidden fields of the page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client

LIST = "/admin/anomalies/anomaly/"
CONFIGS = "/admin/anomalies/detectionconfig/"
# The form of a config, filled in.
CONFIG = {
    "ncd_threshold": "0.6",
    "p_value_threshold": "0.05",
    "baseline_size": "100",
    "window_size": "10",
    "hop_size": "1",
    "stream_overrides": "{}",
    "notes": "",
}


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


def page_of(anomaly: Any) -> str:
    """The path of an anomaly's page; an id will do."""
    return f"{LIST}{getattr(anomaly, 'pk', anomaly)}/change/"


def tick(client: Client, action: str, *anomalies: Any, opened: Any = None, **fields: Any) -> Any:
    """Select rows of the list, and send an action; ``opened`` as in ``send``."""
    ids = [str(getattr(anomaly, "pk", anomaly)) for anomaly in anomalies]
    return send(client, LIST, opened, action=action, _selected_action=ids, index="0", **fields)


def messages_of(response: Any) -> str:
    """The messages of a page, or of the one that it redirects to."""
    return "\n".join(map(str, get_messages(response.wsgi_request)))
