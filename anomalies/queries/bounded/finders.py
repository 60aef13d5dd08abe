"""Finders: queries for all rows that meet one condition of a filter, each through an index of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from anomalies.models import Anomaly
from anomalies.querysets import SEARCH_CONFIG, search_document, search_words

from .sql import TRUE, Sql, all_of, expression_of, hidden, sql

_TABLE = Sql("anomalies")
_SAMPLED_ENTRIES = 6  # keys and values of the metadata tested in a sample: fewer give a wider estimate


@dataclass(frozen=True, slots=True)
class Finder:
    """``FROM table WHERE where ORDER BY order`` gives ``anomalies``: all that meet one condition, by one
    index.

    ``holds`` is tested on the rows of a sample. It is at least as wide as the set of rows that the index has
    to fetch, so a condition that is rare in the sample is cheap to collect. ``is_possible`` is false if the
    index can't answer it. ``queries`` are the named queries that ``table`` reads.
    """

    holds: Sql
    where: Sql = TRUE
    table: Sql = _TABLE
    order: str = ""
    is_possible: Sql = TRUE
    queries: tuple[tuple[str, Sql], ...] = ()

    def rows(self, gate: Sql, most: int) -> Sql:
        """At most ``most`` of its rows; none, without reading anything, if ``gate`` is false."""
        return sql(
            "SELECT anomalies.* FROM {table} WHERE {gate} AND {where}{order} LIMIT {most}",
            table=self.table,
            gate=gate,
            where=self.where,
            order=f" ORDER BY {self.order}" if self.order else "",
            most=most,
        )


def by_words(words: str) -> Finder:
    """The rows that contain the required words of a search; phrases and exclusions are tested on each row.

    A GIN index stores words without positions: for a phrase it fetches each row that contains the words, so
    here they are joined by "and". Without a required word it would have to be read as a whole;
    ``querytree`` then gives T, or nothing.
    """
    document = expression_of(Anomaly.objects.all(), search_document())
    asked = Sql(
        "(SELECT CAST(regexp_replace(nullif(nullif("
        f"querytree(websearch_to_tsquery('{SEARCH_CONFIG}'::regconfig, %s)), 'T'), ''), "
        r"'<(-|\d+)>', '&', 'g') AS tsquery))",
        (search_words(words),),
    )
    holds = sql("{document} @@ {asked}", document=document, asked=asked)
    return Finder(holds, holds, is_possible=sql("{asked} IS NOT NULL", asked=asked))


def by_tags(any_of: Iterable[str] = (), all_tags: Iterable[str] = ()) -> Finder:
    """The rows with any of some tags and all of others."""
    holds = all_of(
        sql("anomalies.tags {operator} {tags}", operator=operator, tags=hidden(list(tags), "text[]"))
        for operator, tags in (("&&", any_of), ("@>", all_tags))
        if tags
    )
    return Finder(holds, holds)


def by_metadata(objects: Iterable[Mapping[str, Any]]) -> Finder:
    """The rows whose metadata contains these objects.

    The GIN index stores keys and values, not which value belongs to which key: it fetches each row that has
    them anywhere. The sample therefore tests that wider condition.
    """
    objects = list(objects)
    where = all_of(
        sql("anomalies.metadata @> {value}", value=hidden(json.dumps(each), "jsonb")) for each in objects
    )
    holds = (_anywhere(entry) for each in objects for entry in _entries(each))
    return Finder(all_of(islice(holds, _SAMPLED_ENTRIES)), where)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """The keys and the values (numbers, texts, booleans, nulls) within a JSON value."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield ("key", key)
            yield from _entries(each)
    elif isinstance(value, list):
        for each in value:
            yield from _entries(each)
    else:
        yield ("value", value)


def _anywhere(entry: tuple[str, Any]) -> Sql:
    kind, value = entry
    if kind == "key":
        return Sql("jsonb_path_exists(anomalies.metadata, %s::jsonpath)", (f"$.**.{json.dumps(value)}",))
    path = "jsonb_path_exists(anomalies.metadata, '$.** ? (@ == $value)', %s::jsonb)"
    return Sql(path, (json.dumps({"value": value}),))


def by_pattern(key: UUID) -> Finder:
    """The rows with this pattern."""
    pattern = hidden(key, "uuid")
    where = sql("anomalies.pattern >= {key} AND anomalies.pattern <= {key}", key=pattern)
    order = ("pattern", 'status COLLATE "POSIX"', "timestamp", "id")
    ascending = ", ".join(f"anomalies.{column} NULLS FIRST" for column in order)
    return Finder(where, where, order=ascending)


def by_source(source: str) -> Finder:
    """The rows of this source."""
    column = 'source COLLATE "POSIX"'
    name = hidden(source, "text")
    where = sql(f"anomalies.{column} >= {{name}} AND anomalies.{column} <= {{name}}", name=name)
    order = (column, 'status COLLATE "POSIX"', "timestamp", "id")
    return Finder(where, where, order=", ".join(f"anomalies.{each} NULLS FIRST" for each in order))


def by_assignee(username: str) -> Finder:
    """The rows assigned to this user."""
    name = hidden(username, "text")
    where = sql("anomalies.assigned_to >= {name} AND anomalies.assigned_to <= {name}", name=name)
    order = ("assigned_to", "status", "timestamp DESC", "id DESC")
    return Finder(where, where, order=", ".join(f"anomalies.{column}" for column in order))


def by_snooze() -> Finder:
    """The rows that are snoozed."""
    where = Sql("anomalies.snoozed_at IS NOT NULL")
    return Finder(where, where, order="anomalies.stream_type, anomalies.snoozed_at")
