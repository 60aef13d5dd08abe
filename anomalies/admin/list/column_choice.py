"""The columns of the list: their explanations, and the choice of each person, kept in the database.

The choice hides columns when the list is rendered. The changelist itself has all of them, since the parameter
``o`` of an address and of a saved filter is the number of a column there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.queries.people.list_columns import choose

from ..views import LIST, DeskView
from . import columns

ALL: dict[Callable[[Any], Any] | str, Any] = {
    columns.state: gettext_lazy("the present decision; for an incident, the number of anomalies with each"),
    columns.when: gettext_lazy("when it happened; for an incident, when it began"),
    "stream_type": gettext_lazy("the kind of data: logs, metrics, traces or LLM traffic"),
    columns.ncd: gettext_lazy("normalized compression distance of the window from its baseline, 0 to 1"),
    columns.p: gettext_lazy("how often a window would differ as much by chance; * marks significant values"),
    columns.novelty: gettext_lazy(
        "share of the newest event that had not appeared in its stream before in that place"
    ),
    columns.change: gettext_lazy("change of the compression ratio from baseline to window"),
    columns.headline: gettext_lazy("the first line of the explanation, with assignee and snooze"),
    columns.tags: gettext_lazy("the labels that its detector or another program gave it"),
    columns.source: gettext_lazy("the file, service or host that it comes from"),
}
ALWAYS = frozenset({"state", "when", "headline"})
_UNLESS_CHOSEN = frozenset({"source"})  # hidden


def name_of(column: Callable[[Any], Any] | str) -> str:
    """Return a column's name in forms, classes and the database."""
    return column if isinstance(column, str) else column.__name__


def label_of(column: Callable[[Any], Any] | str) -> str:
    """Return the heading of a column."""
    return _("Stream") if isinstance(column, str) else str(cast(Any, column).short_description)


OPTIONAL = tuple(name for name in map(name_of, ALL) if name not in ALWAYS)
DEFAULT = frozenset(OPTIONAL) - _UNLESS_CHOSEN
MEANINGS = {name_of(column): meaning for column, meaning in ALL.items()}


def shown(chosen: list[str] | None) -> frozenset[str]:
    """Return the names of the columns to show; ``chosen`` is None for who chose none."""
    return ALWAYS | (DEFAULT if chosen is None else frozenset(chosen))


@dataclass(frozen=True, slots=True)
class Offered:
    """A column that can be chosen, and whether it is shown."""

    name: str
    label: str
    meaning: str
    is_shown: bool


def offered(chosen: list[str] | None) -> list[Offered]:
    """Return the columns that can be chosen."""
    now = shown(chosen)
    return [
        Offered(name_of(each), label_of(each), str(meaning), name_of(each) in now)
        for each, meaning in ALL.items()
        if name_of(each) not in ALWAYS
    ]


class ColumnsForm(forms.Form):
    """The optional columns to show."""

    columns = forms.MultipleChoiceField(required=False, choices=[(name, name) for name in OPTIONAL])


class ColumnsView(DeskView):
    """Keeps the columns that somebody chose, or forgets them, and leads back to the list."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Carry out the form."""
        form = ColumnsForm(request.POST)
        if not form.is_valid():
            return self.to_list(_("Unknown column; the choice was not changed."), messages.ERROR)
        is_reset = "reset" in request.POST
        choose(request.user, None if is_reset else form.cleaned_data["columns"])
        messages.success(request, _("The list shows its usual columns.") if is_reset else _("Columns saved."))
        return HttpResponseRedirect(self.way_back(request.POST.get("next", ""), reverse(LIST)))
