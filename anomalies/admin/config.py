"""The lead's desk: thresholds, and which of them detectors work by."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import JSONField, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString

from .. import permissions
from ..audit import acting
from ..models import DetectionConfig
from ..thresholds import activate
from . import presentation as show
from .changelist import OnlyItsFilters
from .request import actor_of
from .whatif import WhatIf


class BoundedJSONField(forms.JSONField):
    """A JSON field that refuses what Python can't parse (too deep, a number of 5,000 digits) in words."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": value}
            ) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, shown again."""
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return forms.fields.InvalidJSONInput(data)


@admin.register(DetectionConfig)
class DetectionConfigAdmin(WhatIf, OnlyItsFilters):
    """Configs with their thresholds; the active one is marked, and can't be had twice."""

    list_display = (
        "name",
        "active",
        "ncd_threshold",
        "p_value_threshold",
        "baseline_size",
        "window_size",
        "hop_size",
        "created_by",
        "changed",
    )
    list_display_links = ("name",)
    ordering = ("-is_active", "-id")
    fields = (
        ("ncd_threshold", "p_value_threshold"),
        ("baseline_size", "window_size", "hop_size"),
        "stream_overrides",
        "notes",
    )
    formfield_overrides: ClassVar = {JSONField: {"form_class": BoundedJSONField}}
    actions = ("make_active",)
    change_form_template = "admin/anomalies/detectionconfig/change_form.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Anomalies name the config that found them, so none goes."""
        return False

    def has_activate_permission(self, request: HttpRequest) -> bool:
        """Whether the "make active" action is offered, and obeyed."""
        return permissions.can_activate(request.user)

    @admin.display(description="Config", ordering="id")
    def name(self, config: DetectionConfig) -> str:
        return str(config)

    @admin.display(description="Active", ordering="is_active")
    def active(self, config: DetectionConfig) -> SafeString | str:
        return show.status_mark("active", "active") if config.is_active else ""

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, config: DetectionConfig) -> str:
        return show.moment(config.updated_at)

    @admin.action(description="Make the selected config the active one", permissions=["activate"])
    def make_active(self, request: HttpRequest, queryset: QuerySet[DetectionConfig]) -> None:
        """Switch to the one config that was ticked."""
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Tick one config: only one can be active.", messages.ERROR)
            return
        self._activate(request, chosen[0])

    def response_change(self, request: HttpRequest, obj: DetectionConfig) -> HttpResponse:
        """After "Save and make active" the saved config is the active one."""
        if "_activate" in request.POST:
            if not self.has_activate_permission(request):
                raise PermissionDenied
            self._activate(request, obj)
            return redirect("admin:anomalies_detectionconfig_changelist")
        return super().response_change(request, obj)

    def response_add(
        self, request: HttpRequest, obj: DetectionConfig, post_url_continue: str | None = None
    ) -> HttpResponse:
        """As ``response_change``, for a new config."""
        if "_activate" in request.POST:
            return self.response_change(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def _activate(self, request: HttpRequest, config: DetectionConfig) -> None:
        changed = activate(config.pk, actor_of(request))
        words = "is the active one now" if changed else "was the active one already"
        self.message_user(request, f"{config} {words}.", messages.SUCCESS if changed else messages.INFO)

    def save_model(self, request: HttpRequest, obj: DetectionConfig, form: ModelForm, change: bool) -> None:
        """Save what the form shows, on the record as this user's doing."""
        with acting(actor_of(request)):
            if not change:
                obj.created_by = request.user.get_username()
                obj.save()
            elif form.changed_data:
                # Nothing else of the row: which config is active may have changed since the form was opened.
                obj.save(update_fields=form.changed_data)
