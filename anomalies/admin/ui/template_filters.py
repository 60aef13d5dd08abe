"""Template filters for times and words: ``{% load desk %}`` (settings name the library)."""

from __future__ import annotations

from typing import Any

from django import template

from anomalies.languages.words import action
from anomalies.models import Status

from .formatting import absolute, day, minute, moment

register = template.Library()
register.filter("moment", moment)
register.filter("absolute", absolute)
register.filter("minute", minute)
register.filter("day", day)
register.filter("action", action)


@register.filter
def status(value: Any) -> str:
    """Return the label of a status; other text as it is."""
    return str(dict(Status.choices).get(value, value) if isinstance(value, str) else value)
