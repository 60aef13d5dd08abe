"""The threshold simulator: other thresholds replayed over past decisions, and applied as a new config."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from anomalies.languages import formats
from anomalies.models import DetectionConfig, Status, Stream
from anomalies.permissions import can_activate, can_replay
from anomalies.queries.threshold_replay import Point, Replay, ReplayError, apply, replay
from anomalies.thresholds import ConfigChanged, ThresholdsError, active_config, thresholds_for

from .decide.edit_conflict import Answer, VersionedForm, answer_to, new_batch
from .ui import formatting as show
from .ui.charts import Chart, Link, columns
from .views import LIST, DeskView

CONFIGS = "admin:anomalies_detectionconfig_changelist"
KEYS = ("ncd_threshold", "p_value_threshold")


class ThresholdsForm(forms.Form):
    """Two thresholds for all streams and, optionally, two for each stream."""

    def __init__(self, *args: Any, current: DetectionConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = current
        meta: Any = DetectionConfig._meta
        labels = {key: meta.get_field(key).verbose_name for key in KEYS}
        for key, label in labels.items():
            self.fields[key] = _fraction(capfirst(str(label)), initial=getattr(current, key), required=True)
        for stream, words in Stream.choices:
            given = (current.stream_overrides or {}).get(stream, {})
            for key, label in labels.items():
                name = f"{capfirst(str(words))}: {label}"
                self.fields[f"{stream}-{key}"] = _fraction(name, initial=given.get(key))

    def proposed(self) -> DetectionConfig:
        """Return the active config with these thresholds in place of its own, not stored."""
        overrides = {stream: dict(v) for stream, v in (self.current.stream_overrides or {}).items()}
        for stream in Stream.values:
            for key in KEYS:
                value = self.cleaned_data[f"{stream}-{key}"]
                overrides.setdefault(stream, {}).pop(key, None)
                if value is not None:
                    overrides[stream][key] = value
        return DetectionConfig(
            **{key: self.cleaned_data[key] for key in KEYS},
            baseline_size=self.current.baseline_size,
            window_size=self.current.window_size,
            hop_size=self.current.hop_size,
            stream_overrides={stream: values for stream, values in overrides.items() if values},
        )


class AppliedForm(VersionedForm):
    """The hidden fields of a result: the config that it was compared with, its version, and the batch."""

    config = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    batch = forms.UUIDField()

    @property
    def lacks_version(self) -> bool:
        """True if the form does not name the config that the result is about."""
        return not self.is_valid()


def _fraction(label: str, initial: Any, required: bool = False) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1})
    return forms.FloatField(
        label=label, min_value=0, max_value=1, initial=initial, required=required, widget=widget
    )


class ThresholdReplayView(DeskView):
    """Shows the form and, where thresholds are given, the result and a button that applies them."""

    permission = staticmethod(can_replay)
    post_permission = staticmethod(can_activate)
    model = DetectionConfig
    template = "admin/anomalies/detectionconfig/threshold_simulator.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Replay the thresholds in the address."""
        form = self._form(request.GET)
        if form is None:
            return redirect(CONFIGS)
        return self._page(form, self._replayed(form))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Apply the thresholds once, however often the form is sent; 400 and 409 as in ``edit_conflict``."""
        form = self._form(request.POST)
        if form is None:
            return redirect(CONFIGS)
        result = self._replayed(form)
        if result is None or not result.has_verdict:
            return self._page(form, result)
        sent = AppliedForm(request.POST)
        if sent.lacks_version:
            return self._refuse(form, result, answer_to(sent, None, "", ()))
        current = sent.cleaned_data["config"], sent.cleaned_data["version"]
        try:
            batch = sent.cleaned_data["batch"]
            config = apply(form.proposed(), result, self.actor, current=current, batch=batch)
        except ConfigChanged as error:
            words = _("%(error)s The result below is compared with %(config)s: check it, then apply it.")
            words %= {"error": error, "config": form.current}
            return self._refuse(form, result, Answer(409, words))
        words = (
            _("%(config)s is now active.") % {"config": config}
            if config
            else _("It was applied a moment ago; nothing was done twice.")
        )
        messages.success(request, words)
        return redirect(CONFIGS)

    def _form(self, asked: QueryDict) -> ThresholdsForm | None:
        """Return the form about the active config; None, with a message, where no config can be used."""
        try:
            current = active_config()
            thresholds_for(current, Stream.LOGS)  # raises for overrides that are invalid
        except ThresholdsError as error:
            messages.error(self.request, str(error))
            return None
        return ThresholdsForm(asked or None, current=current)

    def _replayed(self, form: ThresholdsForm) -> Replay | None:
        if not (form.is_bound and form.is_valid()):
            return None
        try:
            return replay(form.current, form.proposed())
        except (ReplayError, ThresholdsError, ValidationError) as error:
            form.add_error(None, str(error))
            return None

    def _refuse(self, form: ThresholdsForm, result: Replay, answer: Answer) -> HttpResponse:
        form.add_error(None, answer.words)
        return self._page(form, result, answer.status)

    def _page(self, form: ThresholdsForm, result: Replay | None, status: int = 200) -> HttpResponse:
        lost: tuple[Any, ...] = result.lost if result else ()
        hidden: tuple[Any, ...] = result.open.first if result else ()
        context = {
            "title": _("Threshold simulator"),
            "form": form,
            "current": form.current,
            "result": result,
            "lost": [(anomaly, show.first_line(anomaly.headline)) for anomaly in lost],
            "hidden": [(anomaly, show.first_line(anomaly.headline)) for anomaly in hidden],
            "chart": _chart(result) if result and result.before.decided else None,
            "may_apply": can_activate(self.request.user),
            "batch": new_batch(),
        }
        return self.render(context, status)


def _chart(result: Replay) -> Chart:
    """Return the chart of the curve: what each novelty threshold shows, and how much of it is confirmed."""
    curve = result.curve
    body = [_figures(point) for point in curve]
    tip = _("%(threshold)s: %(shown)s shown, %(confirmed)s confirmed")
    tips = [
        tip % {"threshold": at.text, "shown": shown.text, "confirmed": real.text}
        for at, shown, real, *__ in body
    ]
    decided = {"status": [Status.ACKNOWLEDGED, Status.DISMISSED]}
    return Chart(
        "curve",
        _("By novelty threshold"),
        _("From %(least)s to 1, n = %(count)s decided anomalies.")
        % {"least": show.short(curve[0].threshold, 6), "count": formats.count(result.before.decided)},
        f"{reverse(LIST)}?{urlencode(decided, doseq=True)}",
        note=_("With the p-value thresholds above; a stream with a higher threshold of its own keeps it."),
        legend=[("bar", _("decided anomalies shown")), ("chance", _("of them confirmed"))],
        head=[
            _("Threshold"),
            _("Shown (n)"),
            _("Confirmed"),
            # xgettext:no-python-format
            _("Share (95% interval)"),
            _("Missed"),
            _("Open ones hidden"),
        ],
        body=body,
        drawing=columns(
            [float(point.shown.decided) for point in curve],
            [
                show.number(point.threshold, 2) if number % 2 == 0 else ""
                for number, point in enumerate(curve)
            ],
            tips,
            [float(point.shown.acknowledged) for point in curve],
        ),
    )


def _figures(point: Point) -> list[Link]:
    precision = point.shown.precision
    share = "–"
    if precision:
        low, high = formats.share(precision.low), formats.share(precision.high)
        share = f"{formats.share(precision.share)} ({low}–{high})"
    counts = (formats.count(n) for n in (point.shown.decided, point.shown.acknowledged))
    rest = (share, formats.count(point.missed), formats.count(point.hidden))
    return [Link(text) for text in (show.number(point.threshold), *counts, *rest)]
