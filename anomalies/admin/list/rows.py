"""The list's rows as HTML, as Django's admin renders them, from one template for each page.

Django looks up every column, renders a widget and resolves two links again for each row. Columns and links
are the same on a whole page, so here a row is one template filled with its values, which are escaped. Without
it page 1 takes 1.7 times as long (docs/decisions/22-what-stays.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import UUID

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from .column_choice import name_of
from .incident_rows import IncidentRow

_NOBODY = str(UUID(int=0))  # stands for an anomaly's id in the template of a link
Column = str | Callable[[Any], Any]
CHECKBOX = "action_checkbox"  # the column of Django's admin
_CHECKBOX = (
    f'<td class="action-checkbox"><input type="checkbox" name="{ACTION_CHECKBOX_NAME}" value="{{}}"'
    ' class="action-select" aria-label="{}"></td>'
)


class Links:
    """Links to the anomalies of a list, with the list's filter: each is the same but for the id."""

    def __init__(self, cl: ChangeList) -> None:
        url = reverse("admin:anomalies_anomaly_change", args=[_NOBODY])
        preserved: Any = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
        self._before, _id, self._after = add_preserved_filters(preserved, url).partition(_NOBODY)

    def to(self, anomaly: Any) -> str:
        """Return the address of its page."""
        return f"{self._before}{anomaly.pk}{self._after}"


class Rows:
    """Renders the rows of a changelist: anomalies, and incidents, whose cells have links of their own."""

    def __init__(self, cl: ChangeList, links: Links) -> None:
        self._links = links
        self._linked = set(cl.list_display_links or ())
        self._is_ticked = CHECKBOX in cl.list_display
        shown: frozenset[str] = cast(Any, cl).shown_columns
        self._columns: list[Column] = [each for each in cl.list_display if name_of(each) in shown]
        self._values = [_value_of(cl, column) for column in self._columns]
        self._label = _("Select this object for an action - {}")
        self._of_one, self._of_several = self._template(links=True), self._template(links=False)

    def _template(self, *, links: bool) -> str:
        cells = [_CHECKBOX] if self._is_ticked else []
        head = next((column for column in self._columns if column in self._linked), "")
        for column in self._columns:
            tag = "th" if column == head else "td"
            content = '<a href="{}">{}</a>' if links and column in self._linked else "{}"
            cells.append(f'<{tag} class="field-{name_of(column)}">{content}</{tag}>')
        return "".join(cells)

    def render(self, row: Any) -> SafeString:
        """Return the cells of an anomaly's or an incident's row."""
        is_incident = isinstance(row, IncidentRow)
        link = "" if is_incident else self._links.to(row)
        values: list[Any] = [row.pk, self._label.format(row)] if self._is_ticked else []
        for column, value_of in zip(self._columns, self._values, strict=True):
            if link and column in self._linked:
                values.append(link)
            values.append(value_of(row))
        return format_html(self._of_several if is_incident else self._of_one, *values)


def _value_of(cl: ChangeList, column: Column) -> Callable[[Any], Any]:
    """Return a function that gives a column's value as it is shown."""
    empty = cl.model_admin.get_empty_value_display()
    if not isinstance(column, str):
        return lambda row: _shown(column(row), empty)
    field: Any = cl.opts.get_field(column)
    return partial(_labelled, name=column, labels=dict(field.flatchoices), empty=empty)


def _labelled(row: Any, name: str, labels: dict[Any, Any], empty: str) -> Any:
    value = getattr(row, name)
    return _shown(labels.get(value, value), empty)


def _shown(value: Any, empty: str) -> Any:
    """Return a value as Django's admin shows it: a text as it is, a dash for none."""
    if isinstance(value, str) and value.strip():
        return value
    return display_for_value("" if isinstance(value, str) else value, empty)
