"""The filters of a list of anomalies, each declared once: for the desk, the commands and the docs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import django_filters as df
from django import forms
from django.conf import settings
from django.utils import timezone

from anomalies import json_limits
from anomalies.local_times import LocalMomentField, LocalMomentInput, zone_mark
from anomalies.models import Anomaly, Status, Stream
from anomalies.querysets import AnomalyQuerySet

WITHIN = {
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 h", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}

ME, NOBODY = "me", "nobody"  # of ``assigned``
FOR_REVIEW = {"review": True}  # the metadata of a window that is for review


class ContainmentField(forms.CharField):
    """A field for the object that metadata must contain: ``{"host": "db1"}`` or ``host=db1, service=web``."""

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


def name_of(who: str, me: str) -> str:
    """The username in the filter ``assigned``; "me" is the user ``me``."""
    return me if who == ME else who


_COMMAS = "separated by commas"
# Characters. PostgreSQL parses a search query recursively; some thousands of words overflow its stack.
LONGEST_SEARCH = 1_000


# Positions of the filters in the sentence: "significant, pending logs of the last 24 h with NCD ≥ 0.8".
_ADJECTIVE, _STATUS, _NOUN, _TIME, _FEATURE, _TEXT, _PERSON = range(7)


@dataclass(frozen=True, slots=True)
class Meaning:
    """A filter's properties beside its field: ``say`` describes a value in words, at ``place`` in a sentence.

    ``is_rolled_up``: the hourly roll-up can count it. ``keeps_runs``: it selects whole detection runs, whose
    number of tested windows is known. ``is_faceted``: the list counts each of its choices.
    """

    place: int
    say: Callable[[Any], str]
    is_rolled_up: bool = False
    keeps_runs: bool = False
    is_faceted: bool = False


def _declared(each: df.Filter, place: int, say: Callable[[Any], str], **can: bool) -> df.Filter:
    """Attach a Meaning to a filter; form, chips, sentence, command option and docs derive from it."""
    each.meaning = Meaning(place, say, **can)
    return each


def _any_of(choices: type[Status] | type[Stream]) -> Callable[[list[str]], str]:
    return lambda values: " or ".join(str(choices(value).label) for value in values)


def _at(value: datetime) -> str:
    local = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    return f"{local}{zone_mark(value) or f' {timezone.get_current_timezone_name()}'}"


def _pairs(wanted: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in wanted.items()
    )


def _yes_or_no() -> forms.Select:
    return forms.Select(choices=[("", "any"), ("true", "yes"), ("false", "no")])


class LocalMomentFilter(df.DateTimeFilter):
    """A filter by a bound of the time, in the desk's time zone."""

    field_class = LocalMomentField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(field_name="timestamp", widget=LocalMomentInput(), **kwargs)


def _moment(lookup: str, label: str, words: str) -> df.Filter:
    """A filter by a bound of the time; ``words`` precede it in the sentence."""
    each = LocalMomentFilter(lookup_expr=lookup, label=label)
    can = {"is_rolled_up": True, "keeps_runs": True}
    return _declared(each, _TIME, lambda value: f"{words} {_at(value)}", **can)


def _bound(column: str, lookup: str, label: str, words: str) -> df.Filter:
    """A filter by a bound of a measure, from 0 to 1."""
    each = UnitIntervalFilter(field_name=column, lookup_expr=lookup, label=label)
    return _declared(each, _FEATURE, lambda value: f"{words} {value:g}")


class AnomalyFilter(df.FilterSet):
    """The filters of a list of anomalies; every parameter is optional, several are combined by "and".

    With an invalid parameter nothing matches: ignoring it would show, and decide about, too many rows.
    """

    q = _declared(
        df.CharFilter(
            method="search",
            label="Text",
            help_text="words in explanation or notes",
            max_length=LONGEST_SEARCH,
        ),
        _TEXT,
        lambda words: f"that say “{words}”",
    )
    status = _declared(
        df.MultipleChoiceFilter(choices=Status.choices, distinct=False, widget=forms.CheckboxSelectMultiple),
        _STATUS,
        _any_of(Status),
        is_rolled_up=True,
        is_faceted=True,
    )
    stream = _declared(
        df.MultipleChoiceFilter(
            field_name="stream_type",
            choices=Stream.choices,
            distinct=False,
            widget=forms.CheckboxSelectMultiple,
        ),
        _NOUN,
        _any_of(Stream),
        is_rolled_up=True,
        keeps_runs=True,
        is_faceted=True,
    )
    significant = _declared(
        df.BooleanFilter(field_name="is_statistically_significant", label="Significant", widget=_yes_or_no()),
        _ADJECTIVE,
        lambda value: "significant" if value else "not significant",
        is_rolled_up=True,
    )
    review = _declared(
        df.BooleanFilter(method="for_review", label="For review", widget=_yes_or_no()),
        _ADJECTIVE,
        lambda value: "for review" if value else "not for review",
    )
    within = _declared(
        df.ChoiceFilter(
            field_name="timestamp",
            method="newer_than",
            label="When",
            choices=[(key, words) for key, (words, _) in WITHIN.items()],
            empty_label="any time",
        ),
        _TIME,
        lambda key: f"of the {WITHIN[key][0]}",
        is_rolled_up=True,
        keeps_runs=True,
    )
    since = _moment("gte", "From", "from")
    until = _moment("lt", "Until", "until")
    ncd_min = _bound("ncd_score", "gte", "NCD at least", "with NCD ≥")
    ncd_max = _bound("ncd_score", "lte", "NCD at most", "with NCD ≤")
    p_min = _bound("p_value", "gte", "p at least", "with p ≥")
    p_max = _bound("p_value", "lte", "p at most", "with p ≤")
    tags_any = _declared(
        TagsFilter(field_name="tags", lookup_expr="overlap", label="Any of the tags", help_text=_COMMAS),
        _FEATURE,
        lambda tags: f"tagged {' or '.join(tags)}",
    )
    tags_all = _declared(
        TagsFilter(field_name="tags", lookup_expr="contains", label="All of the tags", help_text=_COMMAS),
        _FEATURE,
        lambda tags: f"tagged {' and '.join(tags)}",
    )
    pattern = _declared(
        df.UUIDFilter(
            field_name="pattern", label="Pattern", help_text="its key, as the page of patterns links it"
        ),
        _FEATURE,
        lambda key: f"of pattern {str(key)[:8]}",
    )
    source = _declared(
        df.CharFilter(field_name="source", label="Source", help_text="the name of a service, file or host"),
        _FEATURE,
        lambda source: f"from {source}",
    )
    metadata = _declared(
        ContainmentFilter(
            field_name="metadata", lookup_expr="contains", label="Metadata", help_text="host=db1, service=web"
        ),
        _FEATURE,
        lambda wanted: f"with {_pairs(wanted)}",
    )
    assigned = _declared(
        df.CharFilter(method="by_assignee", label="Assigned to", help_text="me, nobody, or a name"),
        _PERSON,
        lambda who: f"assigned to {who}",
    )
    snoozed = _declared(
        df.ChoiceFilter(
            method="by_snooze", label="Snoozed", choices=[("yes", "yes"), ("no", "no")], empty_label="any"
        ),
        _STATUS,
        lambda answer: "snoozed" if answer == "yes" else "not snoozed",
    )

    class Meta:
        model = Anomaly
        fields: ClassVar[list[str]] = []

    def __init__(self, *args: Any, me: str = "", **kwargs: Any) -> None:
        """Bind the parameters; ``me`` is the user's name, for "assigned to me"."""
        super().__init__(*args, **kwargs)
        self.me = me

    def search(self, queryset: AnomalyQuerySet, name: str, words: str) -> AnomalyQuerySet:
        """Full-text search in the syntax of web search."""
        return queryset.search(words)

    def for_review(self, queryset: AnomalyQuerySet, name: str, wanted: bool) -> AnomalyQuerySet:
        """The most unusual windows of a day that were not significant, or all others."""
        if wanted:
            return queryset.filter(metadata__contains=FOR_REVIEW)
        return queryset.exclude(metadata__isnull=False, metadata__contains=FOR_REVIEW)

    def newer_than(self, queryset: AnomalyQuerySet, name: str, key: str) -> AnomalyQuerySet:
        """The anomalies of the last hour, day, …."""
        return queryset.filter(timestamp__gte=timezone.now() - WITHIN[key][1])

    def by_assignee(self, queryset: AnomalyQuerySet, name: str, who: str) -> AnomalyQuerySet:
        """The anomalies assigned to this user ("me" is oneself), or the unassigned ones for "nobody"."""
        if who == NOBODY:
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to=name_of(who, self.me))

    def by_snooze(self, queryset: AnomalyQuerySet, name: str, answer: str) -> AnomalyQuerySet:
        """The snoozed anomalies for "yes", the others for "no"."""
        return queryset.filter(snoozed_at__isnull=answer == "no")

    @property
    def qs(self) -> AnomalyQuerySet:
        """The anomalies that match; none if a parameter is invalid."""
        if self.is_bound and not self.form.is_valid():
            return self._none()
        found: AnomalyQuerySet = super().qs
        return found

    def _none(self) -> AnomalyQuerySet:
        none: AnomalyQuerySet = self.queryset.none()
        return none

    def without(self, *names: str) -> AnomalyQuerySet:
        """The anomalies that match without these parameters; none if any is invalid."""
        if not self.form.is_valid():
            return self._none()
        found: AnomalyQuerySet = self.queryset.all()
        for name, value in self.form.cleaned_data.items():
            if name not in names:
                found = self.filters[name].filter(found, value)
        return found


MEANINGS: dict[str, Meaning] = {name: each.meaning for name, each in AnomalyFilter.base_filters.items()}


def those(can: str) -> set[str]:
    """The names of the filters with a property of Meaning, such as "is_rolled_up"."""
    return {name for name, meaning in MEANINGS.items() if getattr(meaning, can)}


FACETS = tuple(name for name, meaning in MEANINGS.items() if meaning.is_faceted)


# --- the values that are set -----------------------------------------------------------------------------


def bounds(asked: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The start and the end of the time range that the filter's values select; None is open."""
    since, within = asked.get("since"), asked.get("within")
    if within:
        since = max(filter(None, [since, timezone.now() - WITHIN[within][1]]))
    return since, asked.get("until")


def keeps_runs_whole(filterset: AnomalyFilter) -> bool:
    """True if the filter selects whole runs, so that the number expected by chance is known."""
    return filterset.form.is_valid() and set(asked_of(filterset)) <= those("keeps_runs")


def asked_of(filterset: AnomalyFilter) -> dict[str, Any]:
    """The values of the parameters that are set; the filter has to be valid."""
    cleaned = filterset.form.cleaned_data
    return {name: value for name, value in cleaned.items() if value not in (None, "", [], {})}


# --- in words -------------------------------------------------------------------------------------------


def words_of(filterset: AnomalyFilter) -> dict[str, str]:
    """The filters that are set, each in words, in the order of the sentence."""
    if not filterset.form.is_valid():
        return {}
    asked = asked_of(filterset)
    meanings = {name: MEANINGS[name] for name in sorted(asked, key=lambda name: MEANINGS[name].place)}
    return {name: meaning.say(asked[name]) for name, meaning in meanings.items()}


def in_words(filterset: AnomalyFilter) -> str:
    """The filter as a sentence: "pending logs of the last 24 h with NCD ≥ 0.8, tagged db"."""
    if not filterset.form.is_valid():
        return "nothing: invalid filter values"
    said = words_of(filterset)
    head = ", ".join(_at_places(said, _ADJECTIVE, _STATUS))
    nouns = _at_places(said, _NOUN) or ["anomalies"]
    features = ", ".join(_at_places(said, _FEATURE, _TEXT, _PERSON))
    parts = [head, *nouns, *_at_places(said, _TIME), features]
    return ("" if said else "all ") + " ".join(filter(None, parts))


def _at_places(said: dict[str, str], *places: int) -> list[str]:
    return [words for name, words in said.items() if MEANINGS[name].place in places]
