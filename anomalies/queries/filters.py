"""The one vocabulary for narrowing a list of anomalies: the admin's sidebar and the commands' options."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import django_filters as df
from django import forms
from django.conf import settings
from django.utils import timezone

from anomalies import json_limits
from anomalies.models import Anomaly, Status, Stream
from anomalies.querysets import AnomalyQuerySet

from . import tag_rollup
from .hourly_rollup import Selection
from .tag_rollup import Tagged

WITHIN = {
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 h", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}

ME, NOBODY = "me", "nobody"  # of ``assigned``


class ContainmentField(forms.CharField):
    """An object that metadata must contain: ``{"host": "db1"}``, or in short ``host=db1, service=web``."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": 'Write an object, {"host": "db1"}, or pairs, host=db1, service=web.',
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
    if not pairs or not all(key.strip() and equals for key, equals, _ in pairs):
        return None
    return {key.strip(): value.strip() for key, _, value in pairs}


class ContainmentFilter(df.Filter):
    """Rows whose JSON contains an object; answered by the GIN index."""

    field_class = ContainmentField


class UnitIntervalFilter(df.Filter):
    """A bound from 0 to 1."""

    field_class = forms.FloatField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=1, widget=forms.NumberInput(attrs={"step": "any"}), **kwargs)


class TagsFilter(df.BaseInFilter, df.CharFilter):
    """Tags, separated by commas."""

    def filter(self, qs: AnomalyQuerySet, value: list[str] | None) -> AnomalyQuerySet:
        tags = [tag.strip() for tag in value or [] if tag.strip()]
        return super().filter(qs, tags) if tags else qs


def _moment(**kwargs: Any) -> df.DateTimeFilter:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
    return df.DateTimeFilter(field_name="timestamp", widget=widget, **kwargs)


# Characters. PostgreSQL parses a query word by word on its stack, of which some thousands are too many.
LONGEST_SEARCH = 1_000


class AnomalyFilter(df.FilterSet):
    """Narrows anomalies; every parameter is optional, several of them are joined by "and".

    An invalid parameter finds nothing: to ignore it would show, and let decide about, more than was asked.
    """

    q = df.CharFilter(
        method="search", label="Text", help_text="Words in explanation or notes", max_length=LONGEST_SEARCH
    )
    status = df.MultipleChoiceFilter(
        choices=Status.choices, distinct=False, widget=forms.CheckboxSelectMultiple
    )
    stream = df.MultipleChoiceFilter(
        field_name="stream_type", choices=Stream.choices, distinct=False, widget=forms.CheckboxSelectMultiple
    )
    significant = df.BooleanFilter(
        field_name="is_statistically_significant",
        label="Significant",
        widget=forms.Select(choices=[("", "any"), ("true", "yes"), ("false", "no")]),
    )
    review = df.BooleanFilter(
        method="for_review",
        label="For review",
        widget=forms.Select(choices=[("", "any"), ("true", "yes"), ("false", "no")]),
    )
    within = df.ChoiceFilter(
        method="newer_than",
        label="When",
        choices=[(key, words) for key, (words, _) in WITHIN.items()],
        empty_label="any time",
    )
    since = _moment(lookup_expr="gte", label="From")
    until = _moment(lookup_expr="lt", label="Until")
    ncd_min = UnitIntervalFilter(field_name="ncd_score", lookup_expr="gte", label="NCD at least")
    ncd_max = UnitIntervalFilter(field_name="ncd_score", lookup_expr="lte", label="NCD at most")
    p_min = UnitIntervalFilter(field_name="p_value", lookup_expr="gte", label="p at least")
    p_max = UnitIntervalFilter(field_name="p_value", lookup_expr="lte", label="p at most")
    tags_any = TagsFilter(field_name="tags", lookup_expr="overlap", label="Any of the tags")
    tags_all = TagsFilter(field_name="tags", lookup_expr="contains", label="All of the tags")
    metadata = ContainmentFilter(
        field_name="metadata", lookup_expr="contains", label="Metadata", help_text="host=db1, service=web"
    )
    assigned = df.CharFilter(method="whose", label="Assigned to", help_text="me, nobody, or a name")
    snoozed = df.ChoiceFilter(
        method="asleep", label="Snoozed", choices=[("yes", "yes"), ("no", "no")], empty_label="any"
    )

    class Meta:
        model = Anomaly
        fields: ClassVar[list[str]] = []

    def __init__(self, *args: Any, me: str = "", **kwargs: Any) -> None:
        """``me`` is the name of whoever asks, for "assigned to me"."""
        super().__init__(*args, **kwargs)
        self.me = me

    def search(self, queryset: AnomalyQuerySet, name: str, words: str) -> AnomalyQuerySet:
        """Full-text search, as web search has it."""
        return queryset.search(words)

    def for_review(self, queryset: AnomalyQuerySet, name: str, wanted: bool) -> AnomalyQuerySet:
        """The oddest windows of a day that were not significant, or all others."""
        held = {"metadata__contains": {"review": True}}
        if wanted:
            return queryset.filter(**held)
        return queryset.exclude(metadata__isnull=False, **held)

    def newer_than(self, queryset: AnomalyQuerySet, name: str, key: str) -> AnomalyQuerySet:
        """The last hour, day, …, up to now."""
        return queryset.filter(timestamp__gte=timezone.now() - WITHIN[key][1])

    def whose(self, queryset: AnomalyQuerySet, name: str, who: str) -> AnomalyQuerySet:
        """Assigned to this user, to whoever asks, or to nobody."""
        if who == NOBODY:
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to=self.me if who == ME else who)

    def asleep(self, queryset: AnomalyQuerySet, name: str, answer: str) -> AnomalyQuerySet:
        """Snoozed, or not."""
        return queryset.filter(snoozed_at__isnull=answer == "no")

    @property
    def qs(self) -> AnomalyQuerySet:
        """The anomalies asked for; none where a parameter is invalid."""
        if self.is_bound and not self.form.is_valid():
            return self._none()
        found: AnomalyQuerySet = super().qs
        return found

    def _none(self) -> AnomalyQuerySet:
        none: AnomalyQuerySet = self.queryset.none()
        return none

    def without(self, *names: str) -> AnomalyQuerySet:
        """What would be found if these parameters were not set; they have to be valid."""
        if not self.form.is_valid():
            return self._none()
        found: AnomalyQuerySet = self.queryset.all()
        for name, value in self.form.cleaned_data.items():
            if name not in names:
                found = self.filters[name].filter(found, value)
        return found


# --- the roll-up -----------------------------------------------------------------------------------------

# What the roll-up can tell apart; of anything else only the table knows.
_ROLLED_UP = frozenset({"status", "stream", "significant", "since", "until", "within"})


def bounds(asked: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The part of the time line that the filter's values ask for: from when on, and until when."""
    since, within = asked.get("since"), asked.get("within")
    if within:
        since = max(filter(None, [since, timezone.now() - WITHIN[within][1]]))
    return since, asked.get("until")


# Only these ask for whole runs of a detector, of which the number of windows tested is known.
_KEEP_RUNS_WHOLE = frozenset({"stream", "since", "until", "within"})


def keeps_runs_whole(filterset: AnomalyFilter) -> bool:
    """Whether it can be said of what the filter asks for how much of it chance explains."""
    return filterset.form.is_valid() and set(words_of(filterset)) <= _KEEP_RUNS_WHOLE


def selection_of(filterset: AnomalyFilter) -> Selection | None:
    """What the filter asks for, where the roll-up can answer it; else None."""
    return _selection_of(_asked(filterset)) if filterset.form.is_valid() else None


def _selection_of(asked: dict[str, Any]) -> Selection | None:
    if set(asked) - _ROLLED_UP:
        return None
    since, until = bounds(asked)
    return Selection(
        streams=asked.get("stream") or (),
        statuses=asked.get("status") or (),
        significant=asked.get("significant"),
        since=since,
        until=until,
    )


def counted_of(filterset: AnomalyFilter, without: Sequence[str] = ()) -> Selection | Tagged | None:
    """What the filter asks for (``without`` some parameters), where a roll-up knows how many; else None."""
    if not filterset.form.is_valid():
        return None
    asked = {name: value for name, value in _asked(filterset).items() if name not in without}
    return _selection_of(asked) or _tagged_of(asked)


def _asked(filterset: AnomalyFilter) -> dict[str, Any]:
    return {name: value for name, value in filterset.form.cleaned_data.items() if value not in (None, "", [])}


def _tagged_of(asked: dict[str, Any]) -> Tagged | None:
    """One tag, be it any or all of those that are named, and nothing else but statuses and streams."""
    names = set(asked) - {"status", "stream"}
    if names not in ({"tags_any"}, {"tags_all"}):
        return None
    tag, *others = {tag.strip() for tag in asked[names.pop()]} - {""} or {""}
    if others or not 0 < len(tag) <= tag_rollup.LONGEST:
        return None
    return Tagged(tag, asked.get("status") or (), asked.get("stream") or ())


# --- in words -------------------------------------------------------------------------------------------

_ADJECTIVE, _NOUN, _TIME, _FEATURE = range(4)


def _any_of(choices: type[Status] | type[Stream]) -> Callable[[list[str]], str]:
    return lambda values: " or ".join(str(choices(value).label) for value in values)


def _at(value: datetime) -> str:
    local = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    return f"{local} {timezone.get_current_timezone_name()}"


def _pairs(wanted: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in wanted.items()
    )


# How each parameter is said, and its place in the sentence.
WORDS: dict[str, tuple[int, Callable[[Any], str]]] = {
    "significant": (_ADJECTIVE, lambda value: "significant" if value else "not significant"),
    "review": (_ADJECTIVE, lambda value: "for review" if value else "not for review"),
    "status": (_ADJECTIVE, _any_of(Status)),
    "stream": (_NOUN, _any_of(Stream)),
    "within": (_TIME, lambda key: f"of the {WITHIN[key][0]}"),
    "since": (_TIME, lambda value: f"from {_at(value)}"),
    "until": (_TIME, lambda value: f"until {_at(value)}"),
    "ncd_min": (_FEATURE, lambda value: f"with NCD ≥ {value:g}"),
    "ncd_max": (_FEATURE, lambda value: f"with NCD ≤ {value:g}"),
    "p_min": (_FEATURE, lambda value: f"with p ≥ {value:g}"),
    "p_max": (_FEATURE, lambda value: f"with p ≤ {value:g}"),
    "tags_any": (_FEATURE, lambda tags: f"tagged {' or '.join(tags)}"),
    "tags_all": (_FEATURE, lambda tags: f"tagged {' and '.join(tags)}"),
    "metadata": (_FEATURE, lambda wanted: f"with {_pairs(wanted)}"),
    "q": (_FEATURE, lambda words: f"that say “{words}”"),
    "assigned": (_FEATURE, lambda who: f"assigned to {who}"),
    "snoozed": (_ADJECTIVE, lambda answer: "snoozed" if answer == "yes" else "not snoozed"),
}


def words_of(filterset: AnomalyFilter) -> dict[str, str]:
    """What each parameter that is set asks for, in words, in the order of the sentence."""
    if not filterset.form.is_valid():
        return {}
    asked = filterset.form.cleaned_data
    return {
        name: say(asked[name])
        for name, (_, say) in WORDS.items()
        if asked.get(name) not in (None, "", [], {})
    }


def in_words(filterset: AnomalyFilter) -> str:
    """What a filter asks for, in one sentence: "pending logs of the last 24 h with NCD ≥ 0.8, tagged db"."""
    if not filterset.form.is_valid():
        return "nothing: the filter is not understood"
    said = words_of(filterset)
    parts: list[list[str]] = [
        [words for name, words in said.items() if WORDS[name][0] == place] for place in range(4)
    ]
    nouns = parts[_NOUN] or ["anomalies"]
    head = ", ".join(parts[_ADJECTIVE])
    whole = " ".join([*filter(None, [head]), *nouns, *parts[_TIME]])
    return ("" if said else "all ") + " ".join(filter(None, [whole, ", ".join(parts[_FEATURE])]))
