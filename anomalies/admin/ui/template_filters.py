"""Template filters for times: ``{% load desk %}`` (settings name the library)."""

from __future__ import annotations

from django import template

from .formatting import absolute, day, minute, moment

register = template.Library()
register.filter("moment", moment)
register.filter("absolute", absolute)
register.filter("minute", minute)
register.filter("day", day)
