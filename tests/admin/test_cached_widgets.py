"""Widgets from the cache are exactly what Django renders, each with its own value."""

from __future__ import annotations

import pytest
from django import forms

from anomalies.admin.list.cached_widgets import CachingRenderer
from anomalies.models import Anomaly
from anomalies.queries.filters import AnomalyFilter

VALUES = [
    {},
    {"status": ["pending"], "stream": ["logs", "llm"], "significant": "true", "within": "24h"},
    {"ncd_min": "0.5", "tags_any": "a,b", "metadata": '{"host": "<db>"}', "since": "2026-01-01T00:00:00"},
    {"tags_any": '"><script>', "p_max": "many", "until": "never"},
]


def drawn(data: dict[str, object], renderer: object = None) -> list[str]:
    form = AnomalyFilter(data, queryset=Anomaly.objects.none()).form
    if renderer is not None:
        form.renderer = renderer
    return [str(field) for field in form] + [str(box.tag()) for box in form["status"]]


@pytest.mark.parametrize("data", VALUES)
def test_a_filter_is_rendered_as_django_renders_it(data):
    renderer = CachingRenderer()
    assert [drawn(data, renderer) for _ in range(2)] == [drawn(data)] * 2


def test_another_value_is_rendered_again():
    renderer = CachingRenderer()
    assert [drawn(data, renderer) for data in VALUES * 2] == [drawn(data) for data in VALUES * 2]


def test_what_is_not_hashable_is_rendered_each_time():
    class Odd(forms.TextInput):
        def get_context(self, name, value, attrs):
            context = super().get_context(name, value, attrs)
            context["widget"]["attrs"]["data-kinds"] = bytearray(b"odd")
            return context

    class Form(forms.Form):
        default_renderer = CachingRenderer()
        odd = forms.CharField(widget=Odd)

    assert [str(Form()["odd"]).count("bytearray") for _ in range(2)] == [1, 1]
