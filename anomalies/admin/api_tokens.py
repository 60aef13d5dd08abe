"""API tokens: each owner makes and revokes their own; a superuser may revoke anybody's."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import api_tokens
from anomalies.languages import formats
from anomalies.models import ApiToken, Scope
from anomalies.permissions import can_view
from anomalies.web.actor import actor_of

from .accounts import RecordedAdmin
from .read_only import ReadOnlyAdmin
from .ui import formatting as show

_STATES = {
    "valid": gettext_lazy("valid"),
    "expired": gettext_lazy("expired"),
    "revoked": gettext_lazy("revoked"),
}


class TokenForm(forms.Form):
    """The name, the scopes and the validity of a new token."""

    name = forms.CharField(
        max_length=80, help_text=gettext_lazy("The program that uses it."), label=gettext_lazy("Name")
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=[(scope, format_lazy("{}: {}", scope, api_tokens.OPENS[scope])) for scope in Scope.values],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.IntegerField(
        min_value=1, max_value=api_tokens.MOST_DAYS, initial=90, label=gettext_lazy("Valid for (days)")
    )


@admin.register(ApiToken)
class ApiTokenAdmin(RecordedAdmin, ReadOnlyAdmin):
    """The tokens of the user, of all users for a superuser; nothing of a token can be changed.

    A superuser may delete tokens, since deleting an account deletes its tokens.
    """

    list_display = ("name", "owner", "beginning", "opens", "expires", "last_used", "state")
    list_display_links = None
    ordering = ("-id",)
    sortable_by = ()
    actions = ("revoke",)
    fields = ("name", "owner", "beginning", "opens", "expires", "last_used", "state")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        tokens = super().get_queryset(request).defer("digest")
        return tokens if request.user.is_superuser else tokens.filter(owner_id=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_view(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return can_view(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return can_view(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form, or make the token and show its secret: this once, never again."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                token, secret = api_tokens.make(
                    cast(User, request.user), **form.cleaned_data, actor=actor_of(request)
                )
            except api_tokens.TokenError as error:
                form.add_error(None, str(error))
            else:
                return self._page(request, "made", {"token": token, "secret": secret})
        return self._page(request, "add", {"form": form})

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": _("New API token")}
        return TemplateResponse(request, f"admin/anomalies/apitoken/{name}.html", {**frame, **context})

    @admin.action(description=gettext_lazy("Revoke, starting with their next call"))
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        """Revoke the selected tokens."""
        count = api_tokens.revoke(tokens, actor_of(request))
        messages.success(
            request,
            _("Revoked: %(count)s. A revoked token is refused from its next call on.")
            % {"count": formats.count(count)},
        )

    @admin.display(description=gettext_lazy("Begins with"))
    def beginning(self, token: ApiToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description=gettext_lazy("Scopes"))
    def opens(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=gettext_lazy("Expires"))
    def expires(self, token: ApiToken) -> str:
        return show.absolute_text(token.expires_at)

    @admin.display(description=gettext_lazy("Last used"), empty_value=cast(str, gettext_lazy("never")))
    def last_used(self, token: ApiToken) -> str | None:
        return show.moment(token.last_used_at) if token.last_used_at else None

    @admin.display(description=gettext_lazy("State"))
    def state(self, token: ApiToken) -> str:
        return str(_STATES[api_tokens.state_of(token)])
