"""The most frequent values of some columns among the newest anomalies of a list: facets of free values.

At most NEWEST matches are read, by the same bounded walk or finder as a page, and each by its key. So the
cost depends neither on the table's size nor on the number of values. The counts are exact if the list has no
more matches; otherwise they are lower bounds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from .listing import Listing
from .pages import newest_ids
from .sql import Sql, sql

NEWEST = 10_000  # matches that are counted
SHOWN = 8  # values of a column
LONGEST = 100  # characters; a longer value is not counted
_TAGS = 20  # of an anomaly
# Bytes as stored. Longer metadata would have to be read from another table for each row.
_METADATA_BYTES = 2_000

# Names of filters, and values as text. A host that is a number is not found by its filter, which takes text.
_VALUES = f"""
    SELECT 'source' AS name, source AS value FROM near
    UNION ALL SELECT 'dismissal_reason', dismissal_reason FROM near
    UNION ALL SELECT 'tags_all', tag FROM near, LATERAL (
        SELECT DISTINCT tag FROM unnest(tags[1:{_TAGS}]) AS tag) AS each WHERE strpos(tag, ',') = 0
    UNION ALL SELECT key, metadata ->> key FROM near, (VALUES ('host'), ('service')) AS keys (key)
        WHERE jsonb_typeof(metadata -> key) = 'string'
    UNION ALL SELECT 'config', metadata ->> 'config_id' FROM near
        WHERE metadata ->> 'config_id' ~ '^\\d{{1,18}}$' AND jsonb_typeof(metadata -> 'config_id') = 'number'
"""  # noqa: S608 - constants
_COUNTS = f"""
    SELECT name, value, count(*) AS n,
           row_number() OVER (PARTITION BY name ORDER BY count(*) DESC, value) AS place
    FROM ({_VALUES}) AS given
    WHERE length(value) BETWEEN 1 AND {LONGEST} AND value = btrim(value) GROUP BY 1, 2
"""  # noqa: S608 - constants
# The array hides the number of ids from the planner, and OFFSET 0 keeps it to the key's index.
_NEAR = f"""
    SELECT source, dismissal_reason, tags,
           CASE WHEN pg_column_size(metadata) <= {_METADATA_BYTES} THEN metadata END AS metadata
    FROM (
        SELECT * FROM anomalies
        WHERE id = ANY (ARRAY(SELECT id FROM page WHERE NOT is_edge LIMIT {{most}})) OFFSET 0
    ) AS anomalies
"""  # noqa: S608 - constants
_EXPRESSION = f"""(
    {{queries}}, near AS MATERIALIZED ({{near}})
    SELECT jsonb_build_object(
        'counts', (SELECT jsonb_agg(jsonb_build_array(name, value, n) ORDER BY name, place)
                   FROM ({{counts}}) AS counted WHERE place <= {SHOWN}),
        'is_part', (SELECT count(*) > {{most}} OR bool_or(is_edge) FROM page)
    )
)"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """By filter the values with their counts, the most frequent first; lower bounds if ``is_part``."""

    values: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    is_part: bool = False


def counting_values(listing: Listing) -> Sql:
    """An expression whose value is read by ``counts_of``. Raises EmptyResultSet for a list without rows."""
    return sql(
        _EXPRESSION,
        queries=newest_ids(listing, NEWEST + 1),
        near=sql(_NEAR, most=NEWEST),
        counts=Sql(_COUNTS),
        most=NEWEST,
    )


def counts_of(found: str) -> ValueCounts:
    """The counts in the value of ``counting_values``, as text."""
    read, by_name = json.loads(found), defaultdict(list)
    for name, value, count in read["counts"] or ():
        by_name[name].append((value, count))
    return ValueCounts({name: tuple(values) for name, values in by_name.items()}, bool(read["is_part"]))
