"""The filters of a list of anomalies, each declared once: for the desk, the commands and the docs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import django_filters as df
from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anomalies.languages.words import both, either
from anomalies.models import TEAM_SIGN, Anomaly, DismissalReason, Status, Stream
from anomalies.querysets import AnomalyQuerySet

from .people.teams import teams_of
from .search.completion import completions
from .search.expansion import LONGEST_SEARCH, Expansion, expanded
from .search.fields import (
    AgeFilter,
    ContainmentFilter,
    KeyFilter,
    NumberedKeyFilter,
    TagsFilter,
    yes_or_no,
)
from .search.form import FilterForm
from .search.meaning import (
    ADJECTIVE,
    FEATURE,
    NOUN,
    PERSON,
    STATUS,
    TEXT,
    TIME,
    Meaning,
    any_of,
    bound,
    declared,
    moment,
    pairs,
)

WITHIN = {
    "1h": (_("last hour"), timedelta(hours=1)),
    "24h": (_("last 24 h"), timedelta(hours=24)),
    "7d": (_("last 7 days"), timedelta(days=7)),
    "30d": (_("last 30 days"), timedelta(days=30)),
}

_OF_THE = {
    "1h": _("of the last hour"),
    "24h": _("of the last 24 h"),
    "7d": _("of the last 7 days"),
    "30d": _("of the last 30 days"),
}

ME, NOBODY = "me", "nobody"  # of ``assigned``
MINE = "mine"  # of ``team``
FOR_REVIEW = {"review": True}  # the metadata of a window that is for review


def name_of(who: str, me: str) -> str:
    """The username in the filter ``assigned``; "me" is the user ``me``."""
    return me if who == ME else who


_COMMAS = _("separated by commas")


class AnomalyFilter(df.FilterSet):
    """The filters of a list of anomalies; every parameter is optional, several are combined by "and".

    With an invalid parameter nothing matches: ignoring it would show, and decide about, too many rows.
    """

    q = declared(
        df.CharFilter(
            method="search",
            label=_("Text"),
            help_text=_("words in explanation or notes"),
            max_length=LONGEST_SEARCH,
        ),
        TEXT,
        lambda words: gettext("that say “%(words)s”") % {"words": words},
    )
    status = declared(
        df.MultipleChoiceFilter(
            label=_("Status"), choices=Status.choices, distinct=False, widget=forms.CheckboxSelectMultiple
        ),
        STATUS,
        any_of(Status),
        "status:",
        "-status:",
        is_rolled_up=True,
        is_faceted=True,
    )
    stream = declared(
        df.MultipleChoiceFilter(
            field_name="stream_type",
            label=_("Stream"),
            choices=Stream.choices,
            distinct=False,
            widget=forms.CheckboxSelectMultiple,
        ),
        NOUN,
        any_of(Stream),
        "stream:",
        "-stream:",
        "kind:",
        "-kind:",
        is_rolled_up=True,
        keeps_runs=True,
        is_faceted=True,
    )
    significant = declared(
        df.BooleanFilter(
            field_name="is_statistically_significant", label=_("Significant"), widget=yes_or_no()
        ),
        ADJECTIVE,
        lambda value: gettext("significant") if value else gettext("not significant"),
        "significant:",
        is_rolled_up=True,
    )
    review = declared(
        df.BooleanFilter(method="for_review", label=_("For review"), widget=yes_or_no()),
        ADJECTIVE,
        lambda value: gettext("for review") if value else gettext("not for review"),
        "review:",
    )
    within = declared(
        AgeFilter(
            field_name="timestamp",
            method="newer_than",
            label=_("When"),
            choices=[(key, words) for key, (words, __) in WITHIN.items()],
            empty_label=_("any time"),
        ),
        TIME,
        lambda key: str(_OF_THE[key]),
        "within:",
        is_rolled_up=True,
        keeps_runs=True,
    )
    since = moment("gte", _("From"), _("from %(when)s"), "since:", "from:")
    until = moment("lt", _("Until"), _("until %(when)s"), "until:", "to:")
    ncd_min = bound("ncd_score", "gte", _("NCD at least"), "NCD")
    ncd_max = bound("ncd_score", "lte", _("NCD at most"), "NCD")
    p_min = bound("p_value", "gte", _("p at least"), "p")
    p_max = bound("p_value", "lte", _("p at most"), "p")
    tags_any = declared(
        TagsFilter(field_name="tags", lookup_expr="overlap", label=_("Any of the tags"), help_text=_COMMAS),
        FEATURE,
        lambda tags: gettext("tagged %(tags)s") % {"tags": either(tags)},
        "tag:,",
    )
    tags_all = declared(
        TagsFilter(field_name="tags", lookup_expr="contains", label=_("All of the tags"), help_text=_COMMAS),
        FEATURE,
        lambda tags: gettext("tagged %(tags)s") % {"tags": both(tags)},
        "tag:",
    )
    tags_none = declared(
        TagsFilter(
            field_name="tags",
            lookup_expr="overlap",
            exclude=True,
            label=_("None of the tags"),
            help_text=_COMMAS,
        ),
        FEATURE,
        lambda tags: gettext("not tagged %(tags)s") % {"tags": either(tags)},
        "-tag:",
    )
    pattern = declared(
        df.UUIDFilter(
            field_name="pattern", label=_("Pattern"), help_text=_("its key, as the page of patterns links it")
        ),
        FEATURE,
        lambda key: gettext("of pattern %(key)s") % {"key": str(key)[:8]},
        "pattern:",
    )
    source = declared(
        df.CharFilter(
            field_name="source", label=_("Source"), help_text=_("the name of a service, file or host")
        ),
        FEATURE,
        lambda source: gettext("from %(source)s") % {"source": source},
        "source:",
    )
    host = declared(
        KeyFilter("host", label=_("Host"), help_text=_("the host in the metadata")),
        FEATURE,
        lambda host: gettext("of host %(host)s") % {"host": host},
        "host:",
    )
    service = declared(
        KeyFilter("service", label=_("Service"), help_text=_("the service in the metadata")),
        FEATURE,
        lambda service: gettext("of service %(service)s") % {"service": service},
        "service:",
    )
    config = declared(
        NumberedKeyFilter(
            "config_id", label=_("Config"), help_text=_("the number of the config that flagged it")
        ),
        FEATURE,
        lambda config: gettext("flagged by config %(number)s") % {"number": config},
        "config:",
    )
    dismissal_reason = declared(
        df.MultipleChoiceFilter(
            field_name="dismissal_reason",
            label=_("Dismissal reason"),
            choices=DismissalReason.choices,
            distinct=False,
            widget=forms.CheckboxSelectMultiple,
        ),
        FEATURE,
        lambda reasons: gettext("dismissed as %(reasons)s") % {"reasons": any_of(DismissalReason)(reasons)},
        "reason:",
    )
    metadata = declared(
        ContainmentFilter(
            field_name="metadata",
            lookup_expr="contains",
            label=_("Metadata"),
            help_text=_("host=db1, service=web"),
        ),
        FEATURE,
        lambda wanted: gettext("with %(bound)s") % {"bound": pairs(wanted)},
        "metadata:",
    )
    assigned = declared(
        df.CharFilter(method="by_assignee", label=_("Assigned to"), help_text=_("me, nobody, or a name")),
        PERSON,
        lambda who: gettext("assigned to %(name)s") % {"name": who},
        "assigned:",
    )
    team = declared(
        df.CharFilter(method="by_team", label=_("Owner team"), help_text=_("mine, or the name of a team")),
        PERSON,
        lambda team: (
            gettext("owned by my teams")
            if team == MINE
            else gettext("owned by team %(name)s") % {"name": team}
        ),
        "team:",
    )
    snoozed = declared(
        df.ChoiceFilter(
            method="by_snooze",
            label=_("Snoozed"),
            choices=[("yes", _("yes")), ("no", _("no"))],
            empty_label=_("any"),
        ),
        STATUS,
        lambda answer: gettext("snoozed") if answer == "yes" else gettext("not snoozed"),
        "snoozed:",
    )

    class Meta:
        model = Anomaly
        form = FilterForm
        fields: ClassVar[list[str]] = []

    def __init__(self, data: QueryDict | None = None, *args: Any, me: str = "", **kwargs: Any) -> None:
        """Bind the parameters, with the words of a search expanded; ``me`` is the user's name, for "me".

        ``given`` are the parameters as they were, ``expansion`` states what the words are.
        """
        self.given = QueryDict() if data is None else data
        self.expansion: Expansion = expanded(self.given, self.base_filters, VOCABULARY)
        super().__init__(None if data is None else self.expansion.data, *args, **kwargs)
        self.me = me

    @property
    def form(self) -> FilterForm:
        """The bound form, which also states what is wrong with the words of the search."""
        form: FilterForm = super().form
        form.expansion, form.filters = self.expansion, self.filters
        return form

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

    def by_team(self, queryset: AnomalyQuerySet, name: str, team: str) -> AnomalyQuerySet:
        """The anomalies assigned to this team, or for "mine" to any team that one is a member of."""
        if team == MINE:
            return queryset.filter(assigned_to__in=teams_of(self.me))
        return queryset.filter(assigned_to=f"{TEAM_SIGN}{team}")

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


def _vocabulary() -> dict[str, tuple[str, ...]]:
    spelled = [(spelling, name) for name, meaning in MEANINGS.items() for spelling in meaning.words]
    return {each: tuple(name for spelling, name in spelled if spelling == each) for each, __ in spelled}


# The words of a search, each with the filters that it sets.
VOCABULARY = _vocabulary()
COMPLETIONS = completions(AnomalyFilter.base_filters, VOCABULARY)


def those(can: str) -> set[str]:
    """The names of the filters with a property of Meaning, such as "is_rolled_up"."""
    return {name for name, meaning in MEANINGS.items() if getattr(meaning, can)}


# The filters by one key of the metadata.
KEYS = {name: each for name, each in AnomalyFilter.base_filters.items() if isinstance(each, KeyFilter)}
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
        return gettext("nothing: invalid filter values")
    said = words_of(filterset)
    head = ", ".join(_at_places(said, ADJECTIVE, STATUS))
    nouns = _at_places(said, NOUN) or [gettext("anomalies")]
    features = ", ".join(_at_places(said, FEATURE, TEXT, PERSON))
    what = " ".join(filter(None, [*nouns, *_at_places(said, TIME), features]))
    if not said:
        return gettext("all anomalies")
    return gettext("%(status)s %(what)s") % {"status": head, "what": what} if head else what


def _at_places(said: dict[str, str], *places: int) -> list[str]:
    return [words for name, words in said.items() if MEANINGS[name].place in places]
