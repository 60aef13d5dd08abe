"""The form that makes a notification rule; from another rule or a filter of the list it begins filled in."""

from __future__ import annotations

from datetime import time
from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.models import MOST_DIGEST_SECONDS, MOST_MINUTES, Channel, Condition, NotificationRule
from anomalies.notifications.rules import NewNotification, NotificationError, make
from anomalies.queries import saved_filters

from ..views import DeskView, uuid_of

_TIME = {"type": "time"}


class NotificationForm(forms.Form):
    """A notification rule; its filter is a saved one, or the query of the list's address."""

    name = forms.CharField(max_length=80, label=gettext_lazy("Name"))
    condition = forms.ChoiceField(choices=Condition.choices, label=gettext_lazy("Notify of"))
    minutes = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_MINUTES,
        label=gettext_lazy("Minutes"),
        help_text=gettext_lazy("Only for “undecided and unassigned”: after so many."),
    )
    saved_filter = forms.ChoiceField(required=False, label=gettext_lazy("Saved filter"))
    query = forms.CharField(
        required=False,
        max_length=4_000,
        label=gettext_lazy("Or filter"),
        help_text=gettext_lazy("What the list's address has behind “?”, such as status=pending&ncd_min=0.9."),
    )
    digest_seconds = forms.IntegerField(
        min_value=0, max_value=MOST_DIGEST_SECONDS, initial=60, label=gettext_lazy("Digest (seconds)")
    )
    quiet_from = forms.TimeField(
        required=False, widget=forms.TimeInput(attrs=_TIME), label=gettext_lazy("Quiet from")
    )
    quiet_until = forms.TimeField(
        required=False, widget=forms.TimeInput(attrs=_TIME), label=gettext_lazy("Quiet until")
    )
    zone = forms.CharField(max_length=64, label=gettext_lazy("Time zone"))
    channel = forms.ChoiceField(choices=Channel.choices, label=gettext_lazy("Channel"))
    target = forms.CharField(
        max_length=2_000,
        label=gettext_lazy("To"),
        help_text=gettext_lazy("Such as https://hooks.example.org/x, or e-mail addresses."),
    )

    def __init__(self, user: permissions.User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._saved = {str(each.pk): each for each in saved_filters.visible_to(cast(Any, user))}
        offered = cast(forms.ChoiceField, self.fields["saved_filter"])
        offered.choices = [("", "–"), *((pk, each.name) for pk, each in self._saved.items())]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if (given.get("quiet_from") is None) != (given.get("quiet_until") is None):
            self.add_error("quiet_until", _("Quiet hours have a beginning and an end."))
        if given.get("saved_filter") and given.get("query"):
            self.add_error("query", _("Choose a saved filter or write one, not both."))
        return given

    def rule(self) -> NewNotification:
        """The rule that the form describes."""
        given = self.cleaned_data
        saved = self._saved.get(given["saved_filter"])
        start: time | None = given["quiet_from"]
        return NewNotification(
            name=given["name"],
            condition=given["condition"],
            channel=given["channel"],
            target=given["target"],
            query=saved.query if saved else given["query"],
            minutes=given["minutes"],
            digest_seconds=given["digest_seconds"],
            quiet=None if start is None else (start, given["quiet_until"]),
            zone=given["zone"],
        )


class NewNotificationView(DeskView):
    """Shows the form, filled in from the rule ``?from=ID``; makes the rule and shows its secret once."""

    permission = staticmethod(permissions.can_notify)
    model = NotificationRule
    template = "admin/anomalies/notificationrule/add.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self._page(NotificationForm(request.user, initial=self._initial()))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make the rule, or say what is wrong."""
        form = NotificationForm(request.user, request.POST)
        if not form.is_valid():
            return self._page(form)
        try:
            rule, secret = make(form.rule(), self.actor)
        except NotificationError as error:
            form.add_error(None, str(error))
            return self._page(form)
        self.template = "admin/anomalies/notificationrule/made.html"
        return self.render({"title": _("Notification rule created"), "rule": rule, "secret": secret})

    def _initial(self) -> dict[str, Any]:
        key = uuid_of(self.request.GET.get("from", ""))
        former = NotificationRule.objects.filter(pk=key).first() if key else None
        if former is None:
            return {"zone": settings.TIME_ZONE, "query": self.request.GET.get("query", "")}
        return {name: getattr(former, name) for name in NotificationForm.base_fields if hasattr(former, name)}

    def _page(self, form: NotificationForm) -> HttpResponse:
        return self.render({"form": form, "title": _("New notification rule")})
