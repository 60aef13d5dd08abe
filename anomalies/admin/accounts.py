"""Accounts and roles: Django's own pages, whose changes the audit log records under the user's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.sign_in import second_factor
from anomalies.web.actor import acting_for

from .model_admin import DeskAdmin

if TYPE_CHECKING:
    AnyUserAdmin = UserAdmin[User]
else:
    AnyUserAdmin = UserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


class RecordedAdmin(DeskAdmin):
    """An admin whose changes are recorded with the user who makes them."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's own, recorded."""
        with acting_for(request):
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's own, recorded."""
        with acting_for(request):
            return super().delete_view(request, *args, **kwargs)

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """Django's own, recorded."""
        with acting_for(request):
            return super().response_action(request, *args, **kwargs)


@admin.register(User)
class AccountAdmin(RecordedAdmin, AnyUserAdmin):
    """People, their roles and their passwords."""

    actions = ("reset_second_factors",)

    @admin.action(
        description=gettext_lazy("Remove the second factors of the selected users"), permissions=["reset"]
    )
    def reset_second_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Remove all factors: the next login asks for none, or leads to adding one where it is required."""
        for user in users:
            second_factor.reset(user)
        self.message_user(request, _("Removed the second factors of the selected users."))

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Only superusers."""
        return request.user.is_superuser

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Django's own, recorded."""
        with acting_for(request):
            return super().user_change_password(request, *args, **kwargs)


@admin.register(Group)
class RoleAdmin(RecordedAdmin, GroupAdmin):
    """The roles and their permissions."""
