"""The lead's desk: thresholds, and which of them detectors work by."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DataError, transaction
from django.db.models import JSONField, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from anomalies import json_limits, permissions
from anomalies.audit import acting, is_made, with_last_entry
from anomalies.json_column import Unreadable
from anomalies.models import DetectionConfig
from anomalies.thresholds import NUMBERS, ConfigChanged, ThresholdsError, activate, is_used, lock_configs
from anomalies.web.actor import actor_of

from .decide.edit_conflict import UNSIGNED, VersionedForm, compare, new_batch, seen_in
from .list.changelist import OnlyItsFilters
from .threshold_replay import WhatIf
from .ui import formatting as show

_SHOWN = 20_000  # characters of a value that can't be read


class BoundedJSONField(forms.JSONField):
    """A JSON field that refuses what breaks the limits in words, and shows such a value as it stands."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:
            try:
                return json_limits.loads(value, settings.INGEST_MAX_JSON_BYTES)
            except json_limits.LimitError as error:
                raise ValidationError(f"Enter a valid JSON: it {error}.", code="invalid") from error
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, shown again."""
        try:
            return data if self.disabled or data is None else json_limits.loads(data)
        except json_limits.LimitError:
            return forms.fields.InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """The text that is shown to be changed."""
        return value.text[:_SHOWN] if isinstance(value, Unreadable) else super().prepare_value(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether something else was typed; a value that can't be read has to be."""
        return isinstance(initial, Unreadable) or super().has_changed(initial, data)


class ConfigForm(ModelForm):
    """A config's form: it changes the version that it was opened with, and no other.

    ``answers`` is the status of a page that refuses: 400 where the version is missing, 409 where there is
    another one by now. What differs in nothing from what is stored overwrites nothing, whatever its version.
    """

    answers = 200

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.sent = VersionedForm(self.data)
        self.stored = copy(self.instance)  # which takes on what was sent
        if self.sent.is_unsigned and (self.instance.pk or "batch" in self.sent.errors):
            self._refuse(400, UNSIGNED)
        elif self.instance.pk and self.has_changed() and self.is_stale:
            self._refuse(
                409,
                "It changed since you opened it, so nothing was saved. Both versions are above, and what "
                "you sent is kept below: to save it now writes all of it over what is there.",
            )
        return cleaned

    @property
    def is_stale(self) -> bool:
        """Whether there is another version than the one that it was opened with; the row must be locked."""
        return self.sent.cleaned_data["version"] != self.instance.version

    def _refuse(self, answers: int, words: str) -> None:
        self.answers = answers
        self.add_error(None, words)


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
    form = ConfigForm
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

    # --- The list ----------------------------------------------------------------------------------

    @admin.action(description="Make the selected config the active one", permissions=["activate"])
    def make_active(self, request: HttpRequest, queryset: QuerySet[DetectionConfig]) -> HttpResponse | None:
        """Switch to the one config that was ticked, if it is still what the list showed."""
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Tick one config: only one can be active.", messages.ERROR)
            return None
        seen = seen_in(request, int).get(chosen[0].pk)
        if seen is None:
            words = "The list came without the version that it showed; nothing was changed. Tick it again."
            self.message_user(request, words, messages.ERROR)
            return None
        try:
            self._activate(request, chosen[0], seen)
        except ConfigChanged:
            return self._conflict(request, chosen[0].pk, seen)
        return None

    def _conflict(self, request: HttpRequest, config_id: int, seen: int) -> TemplateResponse:
        config = self._with_last_entry(request).get(pk=config_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(config),
            "config": config,
            "versions": compare(config, "detection_config", seen, None, always=("is_active",)),
        }
        template = "admin/anomalies/detectionconfig/conflict.html"
        return TemplateResponse(request, template, context, status=409)

    def _with_last_entry(self, request: HttpRequest) -> QuerySet[DetectionConfig]:
        return with_last_entry(self.get_queryset(request), "detection_config")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"batch": new_batch(), **(extra_context or {})})

    # --- The form ----------------------------------------------------------------------------------

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The config, with the record's last entry about it as of the same moment."""
        try:
            return self._with_last_entry(request).get(pk=int(object_id))
        except (DetectionConfig.DoesNotExist, ValueError, DataError):
            return None

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django's, with every config locked from the question whether it changed to its being saved."""
        context = {"batch": new_batch(), **(extra_context or {})}
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, context)
        with transaction.atomic():
            lock_configs()
            if object_id is None and self._is_made_already(request):
                self.message_user(request, "It was added by you a moment ago; nothing was done twice.")
                return redirect("admin:anomalies_detectionconfig_changelist")
            return self._answered(super().changeform_view(request, object_id, form_url, context))

    def _is_made_already(self, request: HttpRequest) -> bool:
        sent = VersionedForm(request.POST)
        sent.full_clean()
        batch = sent.cleaned_data.get("batch")
        return batch is not None and is_made("detection_config", batch, request.user.get_username())

    def _answered(self, response: HttpResponse) -> HttpResponse:
        """A form that was refused for its version answers so, and shows both versions."""
        context = getattr(response, "context_data", None) or {}
        form = context["adminform"].form if "adminform" in context else None
        if not isinstance(form, ConfigForm):
            return response
        response.status_code = form.answers
        if form.answers == 409:
            seen, entry = form.sent.cleaned_data["version"], form.sent.cleaned_data["entry"]
            sent = {name: form[name].value() for name in form.fields}
            context["versions"] = compare(
                form.stored, "detection_config", seen, entry, ("is_active", *form.changed_data), sent
            )
        return response

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

    def _activate(self, request: HttpRequest, config: DetectionConfig, seen: int | None = None) -> None:
        former = DetectionConfig.objects.filter(is_active=True).first()
        try:
            changed = activate(config.pk, actor_of(request), seen=seen)
        except ThresholdsError as error:
            self.message_user(request, f"{config} can't be the active one: {error}", messages.ERROR)
            return
        words = f"is the active one now, in place of {former}" if changed else "was the active one already"
        self.message_user(request, f"{config} {words}.", messages.SUCCESS if changed else messages.INFO)

    def _succeed(self, request: HttpRequest, obj: DetectionConfig) -> None:
        """Put what the form shows into a config of its own: what was found by the former one stays told."""
        former = DetectionConfig.objects.get(pk=obj.pk)
        values = {name: getattr(obj, name) for name in (*NUMBERS, "notes")}
        new = DetectionConfig.objects.create(**values, created_by=request.user.get_username())
        obj.pk, obj.version = new.pk, new.version
        messages.info(request, f"{former} is in use and stays as it is; what you changed is {new}.")
        if former.is_active and self.has_activate_permission(request):
            self._activate(request, obj)
        elif former.is_active:
            messages.warning(request, f"{former} is still the active one: who may activate has to switch.")

    def save_model(self, request: HttpRequest, obj: DetectionConfig, form: Any, change: bool) -> None:
        """Save what the form shows, on the record as this user's doing."""
        batch = form.sent.cleaned_data.get("batch")
        with acting(actor_of(request), **({"batch": str(batch)} if batch else {})):
            if not change:
                obj.created_by = request.user.get_username()
                obj.save()
            elif set(form.changed_data) & set(NUMBERS) and is_used(obj):
                self._succeed(request, obj)
            elif form.changed_data:
                # Nothing else of the row: which config is active may have changed since the form was opened.
                obj.save(update_fields=form.changed_data)
            else:
                messages.info(request, "These values were stored already; nothing was changed.")
