"""Finders: queries for all rows that meet one condition of a filter, each through an index of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from anomalies.models import Anomaly
from anomalies.querysets import SEARCH_CONFIG, search_document, search_words

from .sql import TRUE, Sql, all_of, expression_of, hidden, sql

_TABLE, NULL = Sql("anomalies"), Sql("NULL")
_LOOKED_UP = 6  # values of the metadata that are looked up in its index; others are tested on each row


@dataclass(frozen=True, slots=True)
class Finder:
    """``FROM table WHERE where ORDER BY order`` gives ``anomalies``: all that meet one condition, by one
    index.

    ``holds`` is tested on the rows of a sample. It is at least as wide as the set of rows that the index has
    to fetch, so a condition that is rare in the sample is cheap to collect. ``is_possible`` is false if the
    index can't answer it. ``queries`` are the named queries that ``table`` reads. A finder with a ``name``
    has an index that counts its rows without reading them; ``size`` is their number.
    """

    holds: Sql
    where: Sql = TRUE
    table: Sql = _TABLE
    order: str = ""
    is_possible: Sql = TRUE
    queries: tuple[tuple[str, Sql], ...] = ()
    name: str = ""
    size: Sql = NULL

    def counted(self, most: int) -> Finder:
        """The same finder with the number of its rows, if its index can count them, up to ``most`` + 1."""
        if not self.name:
            return self
        count = sql(
            "SELECT count(*) AS rows FROM (SELECT FROM {table} WHERE {where} ORDER BY {order} LIMIT {most})"
            " AS near",
            table=self.table,
            where=self.where,
            order=self.order,
            most=most + 1,
        )
        size = Sql(f"(SELECT rows FROM {self.name}_size)")  # noqa: S608 - a name of ours
        is_possible = sql("{size} <= {most}", size=size, most=most)
        return replace(self, queries=((f"{self.name}_size", count),), size=size, is_possible=is_possible)

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
    """The rows whose metadata has the values of these objects, under whatever keys.

    The GIN index stores keys and values, not which value belongs to which key. So only the values are looked
    up, by paths that name no key: some keys are in every row, and to read their entries takes the longer the
    larger the table is. Objects without a value are looked up by their keys.
    """
    objects = list(objects)
    paths = [path for each in objects for path in _value_paths(each)][:_LOOKED_UP]
    looked_up = [sql("anomalies.metadata @? {path}", path=hidden(path, "jsonpath")) for path in paths]
    if looked_up:
        return Finder(all_of(looked_up), all_of(looked_up))
    keys = [path for each in objects for path in _key_paths(each)][:_LOOKED_UP]
    holds = all_of(Sql("jsonb_path_exists(anomalies.metadata, %s::jsonpath)", (path,)) for path in keys)
    where = (
        sql("anomalies.metadata @> {value}", value=hidden(json.dumps(each), "jsonb")) for each in objects
    )
    return Finder(holds, all_of(where))


def _value_paths(value: Any) -> Iterator[str]:
    """A path for each number, text, boolean and null within a JSON value: it may be at any place."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _value_paths(each)
    else:
        yield f"$.** ? (@ == {json.dumps(value)})"


def _key_paths(value: Any) -> Iterator[str]:
    """A path for each key within a JSON value: it may be at any place."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"$.**.{json.dumps(key)}"
            yield from _key_paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _key_paths(each)


def by_pattern(key: UUID) -> Finder:
    """The rows with this pattern."""
    pattern = hidden(key, "uuid")
    where = sql("anomalies.pattern >= {key} AND anomalies.pattern <= {key}", key=pattern)
    order = ("pattern", 'status COLLATE "POSIX"', "timestamp", "id")
    ascending = ", ".join(f"anomalies.{column} NULLS FIRST" for column in order)
    return Finder(where, where, order=ascending, name="pattern")


def by_source(source: str) -> Finder:
    """The rows of this source."""
    column = 'source COLLATE "POSIX"'
    name = hidden(source, "text")
    where = sql(f"anomalies.{column} >= {{name}} AND anomalies.{column} <= {{name}}", name=name)
    order = (column, 'status COLLATE "POSIX"', "timestamp", "id")
    ascending = ", ".join(f"anomalies.{each} NULLS FIRST" for each in order)
    return Finder(where, where, order=ascending, name="source")


def by_assignee(username: str, name: str = "assignee") -> Finder:
    """The rows assigned to this user or team; of two in one filter, each has a ``name`` of its own."""
    who = hidden(username, "text")
    where = sql("anomalies.assigned_to >= {who} AND anomalies.assigned_to <= {who}", who=who)
    order = ("assigned_to", "status", "timestamp DESC", "id DESC")
    return Finder(where, where, order=", ".join(f"anomalies.{column}" for column in order), name=name)


def by_assignees(names: Sql) -> Finder:
    """The rows assigned to one of the names that a statement gives, such as the teams of a user."""
    where = sql(
        "anomalies.assigned_to IS NOT NULL AND anomalies.assigned_to = ANY (ARRAY({names}))", names=names
    )
    return Finder(where, where)


def by_snooze() -> Finder:
    """The rows that are snoozed."""
    where = Sql("anomalies.snoozed_at IS NOT NULL")
    return Finder(where, where, order="anomalies.stream_type, anomalies.snoozed_at", name="snooze")
