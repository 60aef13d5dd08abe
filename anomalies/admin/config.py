"""Detection configs: their form, and which one is active."""

from __future__ import annotations

from copy import copy
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DataError, transaction
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import json_limits, permissions
from anomalies.audit import acting, is_made, with_last_entry
from anomalies.json_column import Unreadable
from anomalies.models import DetectionConfig
from anomalies.thresholds import NUMBERS, ConfigChanged, ThresholdsError, activate, is_used, lock_configs
from anomalies.web.actor import actor_of

from .decide.edit_conflict import (
    MISSING_VERSIONS,
    Answer,
    VersionedForm,
    answer_to,
    answer_to_row,
    expected_versions,
    new_batch,
)
from .model_admin import AnyModelForm, DeskAdmin
from .threshold_replay import ThresholdReplayView
from .ui import formatting as show

_SHOWN = 20_000  # characters of a value that can't be read


class BoundedJSONField(forms.JSONField):
    """A JSON field with the limits of ``json_limits``; a stored value beyond them is shown as its text."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:
            try:
                return json_limits.loads(value, settings.INGEST_MAX_JSON_BYTES)
            except json_limits.LimitError as error:
                raise ValidationError(
                    _("Enter a valid JSON: it %(error)s.") % {"error": error}, code="invalid"
                ) from error
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was typed, to be shown again."""
        try:
            return data if self.disabled or data is None else json_limits.loads(data)
        except json_limits.LimitError:
            return forms.fields.InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """Return the text to edit."""
        return value.text[:_SHOWN] if isinstance(value, Unreadable) else super().prepare_value(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the value was edited; one that can't be read counts as edited."""
        return isinstance(initial, Unreadable) or super().has_changed(initial, data)


class ConfigForm(AnyModelForm):
    """A config's form: it changes the version that it was opened with, and no other.

    ``answer`` says how the form is refused: 400 without its version, 409 where the config has another one. A
    form that differs in nothing from what is stored overwrites nothing, whatever its version.
    """

    answer = Answer()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.sent = VersionedForm(self.data)
        if self.sent.lacks_version and (self.instance.pk or "batch" in self.sent.errors):
            self._refuse(answer_to(self.sent, None, "", ()))
        elif self.instance.pk and self.has_changed():  # the row is locked
            always = ("is_active", *self.changed_data)
            sent = {name: self[name].value() for name in self.fields}
            self._refuse(answer_to(self.sent, copy(self.instance), "detection_config", always, sent))
        return cleaned

    def _refuse(self, answer: Answer) -> None:
        self.answer = answer
        if answer.versions is not None:
            words = _(
                "Nothing was saved. Both versions are above, your values below; saving overwrites all of it."
            )
            self.add_error(None, f"{answer.words} {words}")
        elif answer.status != 200:
            self.add_error(None, answer.words)


@admin.register(DetectionConfig)
class DetectionConfigAdmin(DeskAdmin):
    """The configs with their thresholds; exactly one is active."""

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

    def get_urls(self) -> list[URLPattern]:
        """Return every address below the list: ours first, then Django's."""
        replay = ThresholdReplayView.as_view()
        return [path("what-if/", replay, name="anomalies_detectionconfig_what_if"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: anomalies name the config that found them, so none is deleted."""
        return False

    def has_activate_permission(self, request: HttpRequest) -> bool:
        """Return whether the "make active" action is offered, and carried out."""
        return permissions.can_activate(request.user)

    @admin.display(description=gettext_lazy("Config"), ordering="id")
    def name(self, config: DetectionConfig) -> str:
        return str(config)

    @admin.display(description=gettext_lazy("Active"), ordering="is_active")
    def active(self, config: DetectionConfig) -> SafeString | str:
        return show.status_mark("active", _("active")) if config.is_active else ""

    @admin.display(description=gettext_lazy("Changed"), ordering="updated_at")
    def changed(self, config: DetectionConfig) -> str:
        return show.moment(config.updated_at)

    # --- The list ----------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Make the selected config active"), permissions=["activate"])
    def make_active(self, request: HttpRequest, queryset: QuerySet[DetectionConfig]) -> HttpResponse | None:
        """Activate the one config that was selected, if it is still in the version that the list showed."""
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, _("Select one config: only one can be active."), messages.ERROR)
            return None
        expected = expected_versions(request, int).get(chosen[0].pk)
        if expected is None:
            self.message_user(request, str(MISSING_VERSIONS), messages.ERROR)
            return None
        try:
            self._activate(request, chosen[0], expected)
        except ConfigChanged:
            return self._conflict(request, chosen[0].pk, expected)
        return None

    def _conflict(self, request: HttpRequest, config_id: int, expected: int) -> TemplateResponse:
        config = self._with_last_entry(request).get(pk=config_id)
        answer = answer_to_row(config, "detection_config", expected, None, always=("is_active",))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(config),
            "config": config,
            "answer": answer,
            "versions": answer.versions,
        }
        template = "admin/anomalies/detectionconfig/conflict.html"
        return TemplateResponse(request, template, context, status=answer.status)

    def _with_last_entry(self, request: HttpRequest) -> QuerySet[DetectionConfig]:
        return with_last_entry(self.get_queryset(request), "detection_config")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"batch": new_batch(), **(extra_context or {})})

    # --- The form ----------------------------------------------------------------------------------

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Read the config with the audit log's last entry about it, in one statement."""
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
        """Show or save the form; every config is locked from the check of its version until it is saved."""
        context = {"batch": new_batch(), **(extra_context or {})}
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, context)
        with transaction.atomic():
            lock_configs()
            if object_id is None and self._is_made_already(request):
                self.message_user(request, _("You added it a moment ago; nothing was done twice."))
                return redirect("admin:anomalies_detectionconfig_changelist")
            return self._answered(super().changeform_view(request, object_id, form_url, context))

    def _is_made_already(self, request: HttpRequest) -> bool:
        sent = VersionedForm(request.POST)
        sent.full_clean()
        batch = sent.cleaned_data.get("batch")
        return batch is not None and is_made("detection_config", batch, request.user.get_username())

    def _answered(self, response: HttpResponse) -> HttpResponse:
        """Give a form that was refused for its version its status and both versions."""
        context = getattr(response, "context_data", None) or {}
        form = context["adminform"].form if "adminform" in context else None
        if not isinstance(form, ConfigForm):
            return response
        response.status_code = form.answer.status
        context["versions"] = form.answer.versions
        return response

    def response_change(self, request: HttpRequest, obj: DetectionConfig) -> HttpResponse:
        """Activate the saved config after "Save and make active"."""
        if "_activate" in request.POST:
            if not self.has_activate_permission(request):
                raise PermissionDenied
            self._activate(request, obj)
            return redirect("admin:anomalies_detectionconfig_changelist")
        return super().response_change(request, obj)

    def response_add(
        self, request: HttpRequest, obj: DetectionConfig, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Activate a new config after "Save and make active"."""
        if "_activate" in request.POST:
            return self.response_change(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def _activate(self, request: HttpRequest, config: DetectionConfig, expected: int | None = None) -> None:
        former = DetectionConfig.objects.filter(is_active=True).first()
        try:
            changed = activate(config.pk, actor_of(request), seen=expected)
        except ThresholdsError as error:
            self.message_user(
                request,
                _("%(config)s can't be active: %(error)s") % {"config": config, "error": error},
                messages.ERROR,
            )
            return
        now = _("%(config)s is now active instead of %(former)s.")
        words = (now if changed else _("%(config)s was active already.")) % {
            "config": config,
            "former": former,
        }
        self.message_user(request, words, messages.SUCCESS if changed else messages.INFO)

    def _succeed(self, request: HttpRequest, obj: DetectionConfig) -> None:
        """Save the form as a new config: the one in use stays as it was when anomalies were found by it."""
        former = DetectionConfig.objects.get(pk=obj.pk)
        values = {name: getattr(obj, name) for name in (*NUMBERS, "notes")}
        new = DetectionConfig.objects.create(**values, created_by=request.user.get_username())
        obj.pk, obj.version = new.pk, new.version
        words = _("%(former)s is in use and stays unchanged; your changes are saved as %(new)s.")
        messages.info(request, words % {"former": former, "new": new})
        if former.is_active and self.has_activate_permission(request):
            self._activate(request, obj)
        elif former.is_active:
            messages.warning(
                request,
                _("%(former)s is still active: a user with permission to activate configs must switch.")
                % {"former": former},
            )

    def save_model(self, request: HttpRequest, obj: DetectionConfig, form: Any, change: bool) -> None:
        """Save the form; the audit log records the user."""
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
                messages.info(request, _("These values are already stored; nothing was changed."))
