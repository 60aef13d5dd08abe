"""The filters of a list by kind, each with the field that reads its values."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters as df
from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from anomalies import json_limits
from anomalies.local_times import LocalMomentField, LocalMomentInput
from anomalies.querysets import AnomalyQuerySet

# The values of a filter without choices, by the class of its field.
_KINDS = {
    df.BooleanFilter.field_class: "true, false",
    LocalMomentField: _("date and time"),
    forms.FloatField: _("0 to 1"),
}


class ContainmentField(forms.CharField):
    """A field for the object that metadata must contain: ``{"host": "db1"}`` or ``host=db1, service=web``."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _('Write an object, {"host": "db1"}, or pairs, host=db1, service=web.'),
    }

    def clean(self, value: Any) -> dict[str, Any] | None:
        text = super().clean(value)
        if not text:
            return None
        wanted = _as_object(text) if text.startswith("{") else _as_pairs(text)
        if wanted is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return wanted


def _as_object(text: str) -> dict[str, Any] | None:
    try:
        wanted = json_limits.loads(text, settings.INGEST_MAX_JSON_BYTES)
    except json_limits.LimitError:
        return None
    return wanted if isinstance(wanted, dict) else None


def _as_pairs(text: str) -> dict[str, str] | None:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or not all(key.strip() and equals for key, equals, __ in pairs):
        return None
    return {key.strip(): value.strip() for key, __, value in pairs}


class ContainmentFilter(df.Filter):
    """A filter for rows whose JSON contains an object, answered by the GIN index."""

    field_class = ContainmentField


class UnitIntervalFilter(df.Filter):
    """A filter by a bound from 0 to 1."""

    field_class = forms.FloatField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=1, widget=forms.NumberInput(attrs={"step": "any"}), **kwargs)


class TagsFilter(df.BaseInFilter, df.CharFilter):
    """A filter by tags, separated by commas."""

    def filter(self, qs: AnomalyQuerySet, value: list[str] | None) -> AnomalyQuerySet:
        tags = named_tags(value)
        return super().filter(qs, tags) if tags else qs


def named_tags(value: list[str] | None) -> list[str]:
    """The tags of a parameter's value, without surrounding blanks."""
    return [tag.strip() for tag in value or [] if tag.strip()]


class LocalMomentFilter(df.DateTimeFilter):
    """A filter by a bound of the time, in the desk's time zone."""

    field_class = LocalMomentField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(field_name="timestamp", widget=LocalMomentInput(), **kwargs)


def yes_or_no() -> forms.Select:
    """The choice between yes, no and any."""
    return forms.Select(choices=[("", _("any")), ("true", _("yes")), ("false", _("no"))])


class AgeFilter(df.ChoiceFilter):
    """A filter by the age of an anomaly; its choices grow."""


class KeyFilter(df.CharFilter):
    """A filter by the value of one key of the metadata, answered by the GIN index as well."""

    def __init__(self, key: str, **kwargs: Any) -> None:
        super().__init__(field_name="metadata", lookup_expr="contains", **kwargs)
        self.key = key

    def contained(self, value: Any) -> dict[str, Any]:
        """The object that the metadata has to contain."""
        return {self.key: value}

    def filter(self, qs: AnomalyQuerySet, value: Any) -> AnomalyQuerySet:
        return super().filter(qs, self.contained(value)) if value not in (None, "") else qs


class NumberedKeyFilter(KeyFilter):
    """The same of a key whose value is a whole number."""

    field_class = forms.IntegerField

    def __init__(self, key: str, **kwargs: Any) -> None:
        super().__init__(key, min_value=0, max_value=2**63 - 1, **kwargs)


def values_of(each: df.Filter, between: str = ", ") -> str:
    """The choices of a filter, or a description of the values that it accepts."""
    if choices := each.extra.get("choices"):
        return between.join(str(key) for key, __ in choices)
    return str(each.extra.get("help_text") or _KINDS[each.field_class])
