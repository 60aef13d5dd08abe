"""Preferences: the language, the time zone and the date format in which a person reads the desk."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages.formats import ISO, OF_LANGUAGE
from anomalies.queries.people.preferences import keep, kept

from .views import DeskView


@cache
def _zones() -> list[str]:
    """The zones of the IANA database by region and city, and UTC; abbreviations such as EST are left out."""
    return ["UTC", *sorted(name for name in zoneinfo.available_timezones() if _is_place(name))]


def _is_place(name: str) -> bool:
    return "/" in name and not name.startswith(("Etc/", "SystemV/"))


class PreferencesForm(forms.Form):
    """The preferences of somebody; an empty choice leaves it to the browser, or to the desk."""

    language = forms.ChoiceField(required=False, label=gettext_lazy("Language"))
    zone = forms.ChoiceField(required=False, label=gettext_lazy("Time zone"))
    formats = forms.ChoiceField(label=gettext_lazy("Dates and times"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        desk = _("%(zone)s, as the desk") % {"zone": settings.TIME_ZONE}
        self._offer("language", [("", _("as the browser asks")), *settings.LANGUAGES])
        self._offer("zone", [("", desk), *((name, name) for name in _zones())])
        formats = [(ISO, "2026-11-23 14:05:00"), (OF_LANGUAGE, _("as the language writes them"))]
        self._offer("formats", formats)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices


class PreferencesView(DeskView):
    """Shows the form, and keeps what somebody prefers; the next page has it."""

    permission = staticmethod(lambda user: True)  # whoever may log in reads the desk
    post_permission = permission
    template = "admin/preferences.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form with what is kept."""
        return self._page(PreferencesForm(initial=kept(request.user)))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep it, and say so in the language that was chosen."""
        form = PreferencesForm(request.POST)
        if not form.is_valid():
            return self._page(form)
        keep(request.user, **form.cleaned_data)
        with translation.override(
            form.cleaned_data["language"] or translation.get_language_from_request(request)
        ):
            messages.success(request, _("Preferences saved."))
        return HttpResponseRedirect(reverse("admin:preferences"))

    def _page(self, form: PreferencesForm) -> HttpResponse:
        return self.render({"title": _("Preferences"), "form": form})
