"""Saved filters: links beside the list, and a page where they are renamed, shared and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.models import SavedFilter
from anomalies.queries import saved_filters
from anomalies.queries.bounded.sql import of_queryset
from anomalies.queries.bounded.together import Read, together
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.queries.people.list_columns import chosen

from ..ui.formatting import visible
from ..views import LIST, DeskView
from .column_choice import Offered, offered

PAGE = "admin:anomalies_anomaly_filters"
_SHOWN = 20  # beside the list


class SavedFiltersView(DeskView):
    """All saved filters that a person sees, each as a sentence; a form changes one of them."""

    template = "admin/anomalies/anomaly/saved_filters.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        start = saved_filters.start_of(request.user)
        rows = [_row(each, request, start) for each in saved_filters.visible_to(request.user)]
        return self.render({"title": _("Saved filters"), "filters": rows})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Save, change or delete one, or make it the start page."""
        try:
            words, where = _done(request)
        except saved_filters.SavedFilterError as error:
            messages.error(request, str(error))
            query = request.POST.get("query")
            where = reverse(PAGE) if query is None else f"{reverse(LIST)}?{query.removeprefix('?')}"
        else:
            messages.success(request, words)
        return HttpResponseRedirect(where)


@dataclass(frozen=True, slots=True)
class Preferences:
    """The first saved filters of somebody as links, and the columns that they chose, if any."""

    filters: list[tuple[str, str]]
    has_more_filters: bool
    columns: list[str] | None

    @property
    def offered(self) -> list[Offered]:
        """The columns that can be chosen."""
        return offered(self.columns)


def preferences(request: HttpRequest) -> Preferences:
    """Read what this person keeps for the list, in one statement."""
    rows = saved_filters.visible_to(request.user).values_list("name", "query")
    kept, columns = Read(of_queryset(rows[: _SHOWN + 1]), list), chosen(request.user)
    found = together(kept, columns)
    links = [(name, _link(query)) for name, query in found[kept]]
    return Preferences(links[:_SHOWN], len(links) > _SHOWN, found[columns])


def link_of(kept: SavedFilter) -> str:
    """Return the address of the list under a saved filter."""
    return _link(kept.query)


def _link(query: str) -> str:
    return f"{reverse(LIST)}?{saved_filters.address_query(query)}"


def _row(kept: SavedFilter, request: HttpRequest, start: SavedFilter | None) -> dict[str, Any]:
    return {
        "kept": kept,
        "link": link_of(kept),
        "words": visible(in_words(AnomalyFilter(QueryDict(saved_filters.address_query(kept.query)))), 300),
        "is_own": kept.owner_id == request.user.pk,
        "is_start": start is not None and start.pk == kept.pk,
    }


def _done(request: HttpRequest) -> tuple[str, str]:
    """Carry out the form; return a message and the next page. Raises SavedFilterError."""
    form, user = request.POST, request.user
    name, shared = form.get("name", ""), "shared" in form
    match form.get("action"):
        case "save":
            kept = saved_filters.save(user, name, form.get("query", ""), shared=shared)
            words = _("Saved as “%(name)s”, shared.") if shared else _("Saved as “%(name)s”.")
            return words % {"name": kept.name}, link_of(kept)
        case "change":
            kept = saved_filters.change(user, _id(form), name, shared=shared)
            words = _("“%(name)s” is now shared.") if shared else _("“%(name)s” is now private.")
            return words % {"name": kept.name}, reverse(PAGE)
        case "delete":
            return _("“%(name)s” was deleted.") % {"name": saved_filters.delete(user, _id(form))}, reverse(
                PAGE
            )
        case "start":
            start = saved_filters.start_with(user, _id(form) if form.get("id") else None)
            if start is None:
                return _("Your start page is the overview."), reverse(PAGE)
            words = _("Your start page is now “%(name)s”.") % {"name": start.name}
            return words, reverse(PAGE)
    raise saved_filters.SavedFilterError(_("The form names no action; nothing was changed."))


def _id(form: QueryDict) -> int:
    digits = form.get("id", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
