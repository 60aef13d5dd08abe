"""The admin's own frame, where the record needs to know who is at it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from .request import acting_for


class DeskSite(AdminSite):
    """Django's admin site; a password that its owner changes is on record under the owner's name."""

    site_header = site_title = "Driftlock"
    index_title = "Desk"
    enable_nav_sidebar = False

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        with acting_for(request):
            return super().password_change(request, extra_context)
