"""The log of deliveries: what was sent, to whom, after how many attempts, and what a receiver answered."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.models import NotificationDelivery

from ..ui import formatting as show
from .rule_list import ForLeads

_OUTCOMES = {
    "waiting": gettext_lazy("not sent yet"),
    "failing": gettext_lazy("not sent yet, failed before"),
    "gave_up": gettext_lazy("given up"),
    "sent": gettext_lazy("sent"),
}


class OutcomeFilter(admin.SimpleListFilter):
    """By outcome."""

    title, parameter_name = gettext_lazy("outcome"), "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, str(words)) for key, words in _OUTCOMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen: dict[str, dict[str, Any]] = {
            "waiting": {"sent_at": None, "gave_up_at": None},
            "failing": {"sent_at": None, "gave_up_at": None, "error__isnull": False},
            "gave_up": {"gave_up_at__isnull": False},
            "sent": {"sent_at__isnull": False},
        }
        return queryset.filter(**chosen.get(self.value() or "", {}))


@admin.register(NotificationDelivery)
class NotificationDeliveryAdmin(ForLeads):
    """The deliveries, newest first, kept for 90 days."""

    list_display = ("opened", "rule_name", "total", "first", "attempts", "outcome", "key")
    list_filter = (OutcomeFilter, "rule")
    list_select_related = ("rule",)
    ordering = ("-opened_at", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body", "rule__secret")

    @admin.display(description=gettext_lazy("Collected from"))
    def opened(self, delivery: NotificationDelivery) -> SafeString | str:
        return show.absolute(delivery.opened_at)

    @admin.display(description=gettext_lazy("Rule"))
    def rule_name(self, delivery: NotificationDelivery) -> str:
        return _("%(name)s (test)") % {"name": delivery.rule.name} if delivery.is_test else delivery.rule.name

    @admin.display(description=gettext_lazy("Most unusual"))
    def first(self, delivery: NotificationDelivery) -> str:
        first = delivery.items[0] if isinstance(delivery.items, list) and delivery.items else None
        return show.visible(str(first.get("title", "")), 160) if isinstance(first, dict) else "–"

    @admin.display(description=gettext_lazy("Outcome"))
    def outcome(self, delivery: NotificationDelivery) -> str:
        if delivery.sent_at is not None:
            return _("sent %(when)s") % {"when": show.absolute_text(delivery.sent_at)}
        why = f": {delivery.error}" if delivery.error else ""
        if delivery.gave_up_at is not None:
            return show.visible(
                _("given up %(when)s") % {"when": show.absolute_text(delivery.gave_up_at)} + why, 400
            )
        words = _("collects until %(when)s") if delivery.closed_at is None else _("next attempt %(when)s")
        return show.visible(words % {"when": show.absolute_text(delivery.due_at)} + why, 400)

    @admin.display(description=gettext_lazy("Id"))
    def key(self, delivery: NotificationDelivery) -> str:
        return str(delivery.pk)
