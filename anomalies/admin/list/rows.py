"""The list's rows as HTML: what Django's admin makes of them, told once a page and not once a cell.

Django looks up every column, renders a widget and resolves two links anew for each row. Columns and links
are the same all over a page, so that a row here is one template filled with its values, which are escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from .incident_rows import EpisodeLine

_NOBODY = str(UUID(int=0))  # stands for an anomaly's id until there is one
_CHECKBOX = (
    f'<td class="action-checkbox"><input type="checkbox" name="{ACTION_CHECKBOX_NAME}" value="{{}}"'
    ' class="action-select" aria-label="{}"></td>'
)


class Links:
    """Links to the anomalies of a list, which lead back to it: each is the same but for the id."""

    def __init__(self, cl: ChangeList) -> None:
        url = reverse("admin:anomalies_anomaly_change", args=[_NOBODY])
        preserved: Any = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
        self._before, _id, self._after = add_preserved_filters(preserved, url).partition(_NOBODY)

    def to(self, anomaly: Any) -> str:
        """The address of its page."""
        return f"{self._before}{anomaly.pk}{self._after}"


class Lines:
    """Draws the lines of a changelist: anomalies, and episodes, whose cells bring links of their own."""

    def __init__(self, cl: ChangeList, links: Links) -> None:
        self._links = links
        self._linked = set(cl.list_display_links or ())
        self._is_ticked = "action_checkbox" in cl.list_display
        self._columns = [str(name) for name in cl.list_display if name != "action_checkbox"]
        self._values = [_value_of(cl, name) for name in self._columns]
        self._label = _("Select this object for an action - {}")
        self._of_one, self._of_several = self._template(links=True), self._template(links=False)

    def _template(self, *, links: bool) -> str:
        cells = [_CHECKBOX] if self._is_ticked else []
        head = next((name for name in self._columns if name in self._linked), "")
        for name in self._columns:
            tag = "th" if name == head else "td"
            content = '<a href="{}">{}</a>' if links and name in self._linked else "{}"
            cells.append(f'<{tag} class="field-{name}">{content}</{tag}>')
        return "".join(cells)

    def draw(self, line: Any) -> SafeString:
        """The cells of an anomaly's or an episode's row."""
        is_episode = isinstance(line, EpisodeLine)
        link = "" if is_episode else self._links.to(line)
        told: list[Any] = [line.pk, self._label.format(line)] if self._is_ticked else []
        for name, value_of in zip(self._columns, self._values, strict=True):
            if link and name in self._linked:
                told.append(link)
            told.append(value_of(line))
        return format_html(self._of_several if is_episode else self._of_one, *told)


def _value_of(cl: ChangeList, name: str) -> Callable[[Any], Any]:
    """What gives a column's value as it is shown."""
    empty = cl.model_admin.get_empty_value_display()
    column = getattr(cl.model_admin, name, None)
    if column is not None:
        return lambda line: _shown(column(line), empty)
    field: Any = cl.opts.get_field(name)
    words = dict(field.flatchoices)
    return partial(_named, name=name, words=words, empty=empty)


def _named(line: Any, name: str, words: dict[Any, Any], empty: str) -> Any:
    value = getattr(line, name)
    return _shown(words.get(value, value), empty)


def _shown(value: Any, empty: str) -> Any:
    """As Django's admin shows a value: a text as it is, a dash for none."""
    if isinstance(value, str) and value.strip():
        return value
    return display_for_value("" if isinstance(value, str) else value, empty)
