"""Saved filters on the desk: beside the list, and on a page where they are renamed, shared and deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from anomalies.models import SavedFilter
from anomalies.queries import saved_filters
from anomalies.queries.filters import AnomalyFilter, in_words

from ..ui.formatting import visible

LIST = "admin:anomalies_anomaly_changelist"
PAGE = "admin:anomalies_anomaly_filters"
_SHOWN = 20  # beside the list


class SavedFilters:
    """An admin whose list can be kept under a name."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the page of saved filters."""
        view = self.admin_site.admin_view(self.filters_view)  # type: ignore[attr-defined]
        own = [path("filters/", view, name="anomalies_anomaly_filters")]
        return own + super().get_urls()  # type: ignore[misc]

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """All that one sees, in words; a form does one thing to one of them."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        if request.method == "POST":
            return _do(request)
        start = saved_filters.start_of(request.user)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": "Saved filters",
            "filters": [_line(each, request, start) for each in saved_filters.visible_to(request.user)],
        }
        return TemplateResponse(request, "admin/anomalies/anomaly/filters.html", context)


def beside_the_list(request: HttpRequest) -> dict[str, Any]:
    """The first saved filters as links."""
    kept = list(saved_filters.visible_to(request.user)[: _SHOWN + 1])
    return {
        "saved_filters": [(each.name, link_of(each)) for each in kept[:_SHOWN]],
        "more_filters": len(kept) > _SHOWN,
    }


def link_of(kept: SavedFilter) -> str:
    """The list as a saved filter has it."""
    return f"{reverse(LIST)}?{kept.query}"


def _line(kept: SavedFilter, request: HttpRequest, start: SavedFilter | None) -> dict[str, Any]:
    return {
        "kept": kept,
        "link": link_of(kept),
        "words": visible(in_words(AnomalyFilter(QueryDict(kept.query))), 300),
        "is_own": kept.owner_id == request.user.pk,
        "is_start": start is not None and start.pk == kept.pk,
    }


def _do(request: HttpRequest) -> HttpResponse:
    try:
        words, where = _done(request)
    except saved_filters.SavedFilterError as error:
        messages.error(request, str(error))
        query = request.POST.get("query")
        where = reverse(PAGE) if query is None else f"{reverse(LIST)}?{query.removeprefix('?')}"
    else:
        messages.success(request, words)
    return HttpResponseRedirect(where)


def _done(request: HttpRequest) -> tuple[str, str]:
    """What was done, in words, and the page to go to. Raises SavedFilterError."""
    form, user = request.POST, request.user
    name, shared = form.get("name", ""), "shared" in form
    match form.get("action"):
        case "save":
            kept = saved_filters.save(user, name, form.get("query", ""), shared=shared)
            return f"Saved as “{kept.name}”{', shared' if shared else ''}.", link_of(kept)
        case "change":
            kept = saved_filters.change(user, _id(form), name, shared=shared)
            return f"“{kept.name}” is {'shared' if shared else 'yours alone'} now.", reverse(PAGE)
        case "delete":
            return f"“{saved_filters.delete(user, _id(form))}” is deleted.", reverse(PAGE)
        case "start":
            start = saved_filters.start_with(user, _id(form) if form.get("id") else None)
            words = (
                f"You begin with “{start.name}” from now on."
                if start
                else "You begin with the overview again."
            )
            return words, reverse(PAGE)
    raise saved_filters.SavedFilterError("The form does not say what to do; nothing was changed.")


def _id(form: QueryDict) -> int:
    digits = form.get("id", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
