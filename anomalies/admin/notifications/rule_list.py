"""The list of notification rules: what each is about, where it sends, its last delivery, and the ways to test
and stop it."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from anomalies import permissions
from anomalies.languages import formats
from anomalies.models import Condition, NotificationRule
from anomalies.notifications import rules
from anomalies.queries.filters import in_words
from anomalies.web.actor import actor_of
from anomalies.work.heartbeats import workers

from ..read_only import ReadOnlyAdmin
from ..ui import formatting as show
from ..views import DeskView, uuid_of
from .new_rule import NewNotificationView

_LIST = "admin:anomalies_notificationrule_changelist"
_LOG = "admin:anomalies_notificationdelivery_changelist"


class ForLeads(ReadOnlyAdmin):
    """A read-only list for those who may make notification rules: addresses of receivers can be secrets."""

    list_display_links = None
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return permissions.can_notify(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_notify(request.user)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: it shows all of a row."""
        return redirect(f"admin:anomalies_{self.opts.model_name}_changelist")


class StateFilter(admin.SimpleListFilter):
    """By state."""

    title, parameter_name = gettext_lazy("state"), "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", _("active")), ("stopped", _("stopped"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("active", "stopped"):
            return queryset.filter(stopped_at__isnull=self.value() == "active")
        return queryset


@admin.register(NotificationRule)
class NotificationRuleAdmin(ForLeads):
    """The rules, newest first. One is made on a page of its own; nothing of it is edited."""

    list_display = ("name", "about", "pace", "receiver", "owner", "last", "state", "more")
    list_filter = (StateFilter,)
    ordering = ("-created_at", "id")
    actions = ("stop",)

    def get_urls(self) -> list[URLPattern]:
        test = SendTestView.as_view()
        return [path("<path:key>/test/", test, name="anomalies_notificationrule_test"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).defer("secret")
        found: QuerySet[Any] = rows.annotate(last_sent=Max("deliveries__sent_at"))
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_notify(request.user)

    def has_make_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may stop rules."""
        return permissions.can_notify(request.user)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, or make the rule."""
        return cast(HttpResponse, NewNotificationView.as_view()(request))

    @admin.action(description=gettext_lazy("Stop"), permissions=["make"])
    def stop(self, request: HttpRequest, chosen: QuerySet[NotificationRule]) -> None:
        """Stop the selected rules; what waits to be sent is sent."""
        count = rules.stop([rule.pk for rule in chosen], actor_of(request))
        messages.success(
            request,
            _("Stopped: %(count)s. Digests already collected are still sent.")
            % {"count": formats.count(count)},
        )

    @admin.display(description=gettext_lazy("Notifies of"))
    def about(self, rule: NotificationRule) -> str:
        condition = str(Condition(rule.condition).label)
        if rule.condition not in rules.ABOUT_ANOMALIES:
            return condition
        after = f" ({formats.count(rule.minutes)} min)" if rule.minutes else ""
        return show.visible(f"{condition}{after}: {in_words(rules.filterset_of(rule))}", 400)

    @admin.display(description=gettext_lazy("Digest, quiet hours"))
    def pace(self, rule: NotificationRule) -> str:
        if rule.quiet_from is None:
            return f"{formats.count(rule.digest_seconds)} s"
        quiet = {"from": f"{rule.quiet_from:%H:%M}", "until": f"{rule.quiet_until:%H:%M}", "zone": rule.zone}
        about = {**quiet, "seconds": formats.count(rule.digest_seconds)}
        return _("%(seconds)s s, quiet %(from)s to %(until)s %(zone)s") % about

    @admin.display(description=gettext_lazy("To"))
    def receiver(self, rule: NotificationRule) -> str:
        return f"{rule.channel}: {show.visible(rule.target, 120)}"

    @admin.display(description=gettext_lazy("Last sent"))
    def last(self, rule: Any) -> SafeString | str:
        return show.moment(rule.last_sent)

    @admin.display(description=gettext_lazy("State"))
    def state(self, rule: NotificationRule) -> str:
        if rule.stopped_at is None:
            return _("active")
        words = _("stopped by %(name)s: %(why)s") if rule.stopped_by else _("stopped by itself: %(why)s")
        return show.visible(words % {"name": rule.stopped_by, "why": rule.stop_reason}, 300)

    @admin.display(description="")
    def more(self, rule: NotificationRule) -> SafeString:
        log = f"{reverse(_LOG)}?{urlencode({'rule__id__exact': rule.pk})}"
        copy = f"{reverse('admin:anomalies_notificationrule_add')}?{urlencode({'from': rule.pk})}"
        links = format_html('<a href="{}">{}</a> · <a href="{}">{}</a>', log, _("Log"), copy, _("Copy"))
        if rule.stopped_at is not None:
            return links
        test = reverse("admin:anomalies_notificationrule_test", args=[rule.pk])
        button = '{} · <button type="submit" formmethod="post" formaction="{}">{}</button>'
        return format_html(button, links, test, _("Send a test"))


class SendTestView(DeskView):
    """Queues a test of a rule and shows the log, where its answer appears."""

    permission = staticmethod(permissions.can_notify)
    model = NotificationRule

    def post(self, request: HttpRequest, key: str) -> HttpResponse:
        """Queue it, unless there is no such rule or it is stopped."""
        pk = uuid_of(key)
        rule = rules.active().filter(pk=pk).first() if pk else None
        if rule is None:
            messages.warning(request, _("There is no such active rule."))
            return HttpResponseRedirect(reverse(_LIST))
        with override("en"):  # what it sends is the same for every reader
            rules.send_test(rule)
        if any(one.state == "running" and "deliveries" in one.jobs for one in workers()):
            messages.success(
                request, _("The worker sends the test now; load this page again for the answer.")
            )
        else:
            messages.warning(request, _("The test waits for a worker, and none runs: start manage.py work."))
        return HttpResponseRedirect(f"{reverse(_LOG)}?{urlencode({'rule__id__exact': rule.pk})}")
