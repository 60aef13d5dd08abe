"""The lead's question: what if the thresholds were others?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from anomalies import permissions
from anomalies.models import DetectionConfig, Stream
from anomalies.queries.threshold_replay import Replay, WhatIfError, apply, replay
from anomalies.thresholds import ConfigChanged, ThresholdsError, active_config, thresholds_for
from anomalies.web.actor import actor_of

from .decide.edit_conflict import UNSIGNED, VersionedForm, new_batch
from .ui import formatting as show

KEYS = {"ncd_threshold": "NCD threshold", "p_value_threshold": "p-value threshold"}


class ThresholdsForm(forms.Form):
    """Two thresholds for all streams and, where others are wanted, two for each."""

    def __init__(self, *args: Any, current: DetectionConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = current
        for key, label in KEYS.items():
            self.fields[key] = _fraction(label, initial=getattr(current, key), required=True)
        for stream, words in Stream.choices:
            given = (current.stream_overrides or {}).get(stream, {})
            for key, label in KEYS.items():
                self.fields[f"{stream}-{key}"] = _fraction(f"{words}: {label}", initial=given.get(key))

    def proposed(self) -> DetectionConfig:
        """The active config with these thresholds in place of its own, not stored."""
        overrides = {stream: dict(v) for stream, v in (self.current.stream_overrides or {}).items()}
        for stream in Stream.values:
            for key in KEYS:
                value = self.cleaned_data[f"{stream}-{key}"]
                overrides.setdefault(stream, {}).pop(key, None)
                if value is not None:
                    overrides[stream][key] = value
        return DetectionConfig(
            ncd_threshold=self.cleaned_data["ncd_threshold"],
            p_value_threshold=self.cleaned_data["p_value_threshold"],
            baseline_size=self.current.baseline_size,
            window_size=self.current.window_size,
            hop_size=self.current.hop_size,
            stream_overrides={stream: values for stream, values in overrides.items() if values},
        )


class AppliedForm(VersionedForm):
    """What goes with a result that is applied: the config it was held against, and its version."""

    config = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    batch = forms.UUIDField()


def _fraction(label: str, initial: Any, required: bool = False) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1})
    return forms.FloatField(
        label=label, min_value=0, max_value=1, initial=initial, required=required, widget=widget
    )


class WhatIf:
    """An admin of configs with a page that replays other thresholds over what was decided."""

    def get_urls(self) -> list[URLPattern]:
        """Django's, and the replay."""
        view = self.admin_site.admin_view(self.what_if_view)  # type: ignore[attr-defined]
        own = [path("what-if/", view, name="anomalies_detectionconfig_what_if")]
        return own + super().get_urls()  # type: ignore[misc]

    def what_if_view(self, request: HttpRequest) -> HttpResponse:
        """The form, the result where thresholds are given, and the way to apply them."""
        if not permissions.can_replay(request.user):
            raise PermissionDenied
        try:
            current = active_config()
            thresholds_for(current, Stream.LOGS)  # its overrides can be worked by
        except ThresholdsError as error:
            messages.error(request, str(error))
            return redirect("admin:anomalies_detectionconfig_changelist")
        asked = request.POST if request.method == "POST" else request.GET
        form = ThresholdsForm(asked or None, current=current)
        result = _replayed(form, current) if form.is_bound and form.is_valid() else None
        if request.method == "POST":
            if not permissions.can_activate(request.user):
                raise PermissionDenied
            if result is not None and result.has_verdict:
                return self._apply(request, form, result)
        return self._what_if_page(request, form, result)

    def _apply(self, request: HttpRequest, form: ThresholdsForm, result: Replay) -> HttpResponse:
        """Once, however often it is sent; 400 without what the page carried, 409 against another config."""
        sent = AppliedForm(request.POST)
        if not sent.is_valid():
            form.add_error(None, UNSIGNED)
            return self._what_if_page(request, form, result, status=400)
        seen = sent.cleaned_data["config"], sent.cleaned_data["version"]
        try:
            batch = sent.cleaned_data["batch"]
            config = apply(form.proposed(), result, actor_of(request), current=seen, batch=batch)
        except ConfigChanged as error:
            form.add_error(None, f"{error} The result below is against {form.current}: look, and apply it.")
            return self._what_if_page(request, form, result, status=409)
        words = f"{config} is the active one now." if config else "It was applied a moment ago, only once."
        messages.success(request, words)
        return redirect("admin:anomalies_detectionconfig_changelist")

    def _what_if_page(
        self, request: HttpRequest, form: ThresholdsForm, result: Replay | None, status: int = 200
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": "What if the thresholds were others?",
            "form": form,
            "current": form.current,
            "result": result,
            "lost": [(a, show.first_line(a.headline)) for a in result.lost] if result else [],  # type: ignore[attr-defined]
            "may_apply": permissions.can_activate(request.user),
            "zone": show.zone_name(),
            "batch": new_batch(),
        }
        page = "admin/anomalies/detectionconfig/what_if.html"
        return TemplateResponse(request, page, context, status=status)


def _replayed(form: ThresholdsForm, current: DetectionConfig) -> Replay | None:
    try:
        return replay(current, form.proposed())
    except (WhatIfError, ThresholdsError, ValidationError) as error:
        form.add_error(None, str(error))
        return None
