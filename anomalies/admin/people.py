"""The superuser's desk: who may come in, as Django has it, narrowed by its own filters only."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User

from .changelist import OnlyItsFilters

# Django's own are registered where they are imported.
admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(OnlyItsFilters, auth.UserAdmin):
    """People: their names, roles and passwords."""


@admin.register(Group)
class GroupAdmin(OnlyItsFilters, auth.GroupAdmin):
    """Roles."""
