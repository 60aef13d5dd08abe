"""Who has an account and which role: Django's own pages, told to the record.

They are narrowed by their own filters only, as every list here.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse

from anomalies.web.actor import acting_for

from .list.changelist import OnlyItsFilters

admin.site.unregister(User)
admin.site.unregister(Group)


class Recorded:
    """An admin whose changes bear the name of who is at it."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Django's."""
        with acting_for(request):
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Django's."""
        with acting_for(request):
            return super().delete_view(request, *args, **kwargs)  # type: ignore[misc]

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """As Django's."""
        with acting_for(request):
            return super().response_action(request, *args, **kwargs)  # type: ignore[misc]


@admin.register(User)
class AccountAdmin(Recorded, OnlyItsFilters, UserAdmin):
    """People, their roles and their passwords."""

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Django's."""
        with acting_for(request):
            return super().user_change_password(request, *args, **kwargs)


@admin.register(Group)
class RoleAdmin(Recorded, OnlyItsFilters, GroupAdmin):
    """The roles, and what each may."""
