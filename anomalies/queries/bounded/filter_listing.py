"""A filter translated into what answers it: the indexes that read its list, the roll-up that counts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from anomalies.models import TEAM_SIGN
from anomalies.queries import tag_rollup
from anomalies.queries.filters import (
    FOR_REVIEW,
    KEYS,
    MINE,
    NOBODY,
    AnomalyFilter,
    asked_of,
    bounds,
    name_of,
    those,
)
from anomalies.queries.hourly_rollup import Selection
from anomalies.queries.patterns.rollup import Patterned
from anomalies.queries.people.teams import teams_of
from anomalies.queries.search.fields import named_tags
from anomalies.queries.tag_rollup import Tagged

from . import finders
from .finders import Finder
from .listing import OTHER, Listing, Range
from .sql import of_queryset
from .walks import WALKED

# --- indexes ---------------------------------------------------------------------------------------------


def listing_of(filterset: AnomalyFilter, without: Sequence[str] = ()) -> Listing:
    """The list of a filter (``without`` some parameters), in terms of indexes and finders.

    A parameter that neither an index nor a finder answers is tested on each row that is read.
    """
    if not filterset.is_bound or not filterset.form.is_valid():
        return Listing(filterset.qs)
    asked = _values(filterset, without)
    return Listing(
        rows=filterset.without(*without),
        columns=frozenset(_column(filterset, name) for name in asked),
        statuses=tuple(asked.get("status", ())),
        streams=tuple(asked.get("stream", ())),
        significant=asked.get("significant"),
        pattern=asked.get("pattern"),
        source=asked.get("source"),
        ranges=_ranges(asked),
        finders=tuple(_finders(asked, filterset.me)),
    )


def _values(filterset: AnomalyFilter, without: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in asked_of(filterset).items() if name not in without}


def _column(filterset: AnomalyFilter, name: str) -> str:
    column: str = filterset.filters[name].field_name
    return column if column in WALKED else OTHER


def _ranges(asked: dict[str, Any]) -> dict[str, Range]:
    ranges = {
        "timestamp": Range(*bounds(asked)),
        "ncd_score": Range(asked.get("ncd_min"), asked.get("ncd_max")),
        "p_value": Range(asked.get("p_min"), asked.get("p_max")),
    }
    return {column: values for column, values in ranges.items() if values != Range()}


def _finders(asked: dict[str, Any], me: str) -> Iterator[Finder]:
    if "q" in asked:
        yield finders.by_words(asked["q"])
    any_of, all_tags = (named_tags(asked.get(name)) for name in ("tags_any", "tags_all"))
    if any_of or all_tags:
        yield finders.by_tags(any_of, all_tags)
    if "pattern" in asked:
        yield finders.by_pattern(asked["pattern"])
    if "source" in asked:
        yield finders.by_source(asked["source"])
    objects = [asked["metadata"]] if "metadata" in asked else []
    objects += [each.contained(asked[name]) for name, each in KEYS.items() if name in asked]
    if asked.get("review"):
        objects.append(FOR_REVIEW)
    if objects:
        yield finders.by_metadata(objects)
    if asked.get("assigned", NOBODY) != NOBODY:
        yield finders.by_assignee(name_of(asked["assigned"], me))
    if asked.get("team") == MINE:
        yield finders.by_assignees(of_queryset(teams_of(me)))
    elif "team" in asked:
        yield finders.by_assignee(f"{TEAM_SIGN}{asked['team']}", name="team")
    if asked.get("snoozed") == "yes":
        yield finders.by_snooze()


# --- roll-ups --------------------------------------------------------------------------------------------


def selection_of(filterset: AnomalyFilter) -> Selection | None:
    """The filter as a selection of the hourly roll-up; None if the roll-up can't count it."""
    return _selection_of(asked_of(filterset)) if filterset.form.is_valid() else None


def _selection_of(asked: dict[str, Any]) -> Selection | None:
    if set(asked) - those("is_rolled_up"):
        return None
    since, until = bounds(asked)
    return Selection(
        streams=asked.get("stream") or (),
        statuses=asked.get("status") or (),
        significant=asked.get("significant"),
        since=since,
        until=until,
    )


def counted_of(
    filterset: AnomalyFilter, without: Sequence[str] = ()
) -> Selection | Tagged | Patterned | None:
    """The filter (``without`` some parameters) as a selection of a roll-up; None if none can count it."""
    if not filterset.form.is_valid():
        return None
    asked = _values(filterset, without)
    return _selection_of(asked) or _tagged_of(asked) or _patterned_of(asked)


def _tagged_of(asked: dict[str, Any]) -> Tagged | None:
    """A filter by one tag, and by nothing else but statuses and streams; else None."""
    names = set(asked) - {"status", "stream"}
    if names not in ({"tags_any"}, {"tags_all"}):
        return None
    tag, *others = set(named_tags(asked[names.pop()])) or {""}
    if others or not 0 < len(tag) <= tag_rollup.LONGEST:
        return None
    return Tagged(tag, asked.get("status") or (), asked.get("stream") or ())


def _patterned_of(asked: dict[str, Any]) -> Patterned | None:
    """A filter by a pattern, and by nothing else but statuses and streams; else None."""
    return Patterned(asked["pattern"]) if set(asked) - {"status", "stream"} == {"pattern"} else None
