"""PostgreSQL's plans for the desk's statements: the work is bounded, whatever the planner expects.

30,000 rows with a tenth of the bounds are what 300,000 are with all of them. Each list is read with right
statistics, with none, and with such as make everything seem frequent, or rare; the rows that it looks at, and
shows, are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, ClassVar
from unittest.mock import patch
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.queries.bounded import counts, finding, matches, pages, value_counts
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.bounded.matches import every, first
from anomalies.queries.bounded.pages import page_after, page_before
from anomalies.queries.facets import Steps, figures
from anomalies.queries.filters import AnomalyFilter
from anomalies.queries.neighbours import around, usual
from anomalies.queries.precedents import LOOKED_AT, precedents
from tests.support.plans import blocks_read, empty_table, explain, indexes_of, rows_read

ROWS = 30_000
PAGE, COLLECTED, COUNTED, FETCHED = 400, 150, 1_000, 200
BULK, EXPORTED = 2_000, 500

# As a detector's: most rows are pending logs, scores and times differ, words and tags repeat. Each row also
# has a word of its own. "early" was frequent once: in the oldest tenth of the rows.
FILL = """
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, is_statistically_significant,
        metadata, tags, window_data, assigned_to, snoozed_at
    )
    SELECT timestamptz '2026-01-01' + n * interval '4 minutes',
           CASE WHEN n %% 5000 = 0 THEN 'llm' WHEN n %% 10 = 0 THEN 'metrics' ELSE 'logs' END,
           hash_n, CASE WHEN n %% 2 = 0 THEN 0.002 ELSE 1 - hash_n END,
           CASE WHEN n %% 3000 = 0 THEN 'investigating' WHEN n %% 3 = 0 THEN 'dismissed' ELSE 'pending' END,
           'line ' || n || ' of process ' || n %% 97 || ' is new'
               || CASE WHEN n < 3000 THEN ' early' ELSE '' END,
           0.2, 0.5, 0.3, hash_n, n %% 2000 <> 1,
           jsonb_build_object('host', CASE WHEN n %% 10000 = 0 THEN 'rare' ELSE 'db' || n %% 49 END),
           ARRAY['tag' || n %% 503, 'all'] || CASE WHEN n < 3000 THEN '{early}'::text[] ELSE '{}' END,
           evidence,
           CASE WHEN n %% 6000 = 0 THEN 'ana' WHEN n %% 2 = 0 THEN 'bo' END,
           CASE WHEN n %% 7500 = 0 THEN timestamptz '2026-06-01' END
    FROM (SELECT jsonb_agg(md5(i::text)) AS evidence FROM generate_series(1, 40) AS i) AS wide,
         (SELECT n, (hashint4(n)::bigint + 2147483648) / 4294967296.0 AS hash_n
          FROM generate_series(1, %s) AS n) AS numbers
"""
# Rows of another kind, for statistics that are of no use afterwards.
OTHERS = """
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, is_statistically_significant,
        metadata, tags, assigned_to, snoozed_at)
    SELECT {timestamp}, {stream}, {ncd}, {p}, {status}, {words}, 0.2, 0.5, 0.3, 0.9, {significant},
           {metadata}, {tags}, {assigned}, {snoozed}
    FROM generate_series(1, 5000) AS n
"""
ALL_RARE = {  # what is frequent among the rows is unheard of in the statistics
    "timestamp": "timestamptz '2020-01-01' + n * interval '1 s'", "stream": "'traces'", "ncd": "0.0",
    "p": "1.0", "status": "'acknowledged'", "words": "'something else'", "significant": "false",
    "metadata": """'{"other": 1}'""", "tags": "'{other}'", "assigned": "NULL", "snoozed": "NULL",
}  # fmt: skip
ALL_FREQUENT = {  # what is rare among the rows is everywhere in the statistics
    "timestamp": "timestamptz '2026-01-01' + n * interval '30 minutes'", "stream": "'llm'", "ncd": "0.9999",
    "p": "0.002", "status": "'investigating'", "words": "'77 nowhere line early process'",
    "significant": "false", "metadata": """'{"host": "rare"}'""", "tags": "'{tag7,tag8,all,early,nowhere}'",
    "assigned": "'ana'", "snoozed": "now()",
}  # fmt: skip

SHOWN = Anomaly.objects.for_list()
NEWEST, OLDEST = ("-timestamp", "-id"), ("timestamp", "id")
BY_STATUS, BY_STREAM = ("status", "-timestamp", "-id"), ("-stream_type", "timestamp", "id")
BY_NCD, BY_P = ("-ncd_score", "-id"), ("p_value", "id")
OFTEN, RARE = (
    UUID(bytes=sha256(f"1\n{stream}\n{host}\nline # of process # is new".encode()).digest()[:16])
    for stream, host in (("logs", "db7"), ("llm", "rare"))
)
TIME = "since=2026-02-01T00:00:00Z&until=2026-02-20T00:00:00Z"
LISTS = [
    *(("", order) for order in (NEWEST, OLDEST, BY_STATUS, BY_STREAM, BY_NCD, BY_P)),
    *((f"status={status}", NEWEST) for status in ("pending", "investigating", "acknowledged")),
    ("status=pending&status=dismissed", BY_STATUS), ("status=investigating", BY_NCD), ("stream=llm", NEWEST),
    ("stream=llm&stream=logs", BY_P), ("status=investigating&stream=llm", NEWEST),
    ("significant=false", NEWEST), ("status=pending&stream=logs&significant=false", OLDEST), (TIME, NEWEST),
    (f"{TIME}&status=pending", NEWEST), (f"{TIME}&significant=false", BY_NCD),
    ("since=2026-02-20T00:00:00Z", BY_STATUS), ("ncd_min=0.9995", NEWEST), ("ncd_min=0.1", BY_P),
    ("ncd_min=0.9995", BY_NCD), ("p_max=0.002", NEWEST), ("p_max=0.002", BY_P),
    ("p_max=0.0001&ncd_min=0.5", NEWEST), ("q=77", NEWEST), ("q=7777", NEWEST), ("q=nowhere", BY_NCD),
    ("q=line", NEWEST), ("q=line nowhere", NEWEST), ("q=-line", NEWEST), ("q=-line", BY_NCD),
    ("q=early", NEWEST), ("q=early", BY_P), ('q="new line"', NEWEST), ("q=line OR nowhere", OLDEST),
    ("q=7777 OR -line", NEWEST), ("tags_any=tag7", NEWEST), ("tags_any=nowhere", BY_STATUS),
    ("tags_all=tag7,tag8", NEWEST), ("tags_any=all&tags_all=early", NEWEST), ("tags_all=all,early", BY_NCD),
    ("metadata=host=rare", NEWEST), ("metadata=host=db7", OLDEST), ("metadata=host=nowhere", NEWEST),
    ("metadata=other=rare", BY_NCD), ("host=rare", NEWEST), ("host=db7", BY_NCD), ("service=nowhere", NEWEST),
    ("config=1", BY_P), ("tags_none=all", NEWEST), ("tags_none=early", BY_NCD),
    ("dismissal_reason=other", NEWEST), ("q=host:rare -tag:early", NEWEST),
    ("q=status:pending ncd>0.9995 line", BY_NCD), ("assigned=ana", NEWEST), ("assigned=bo", BY_NCD),
    ("assigned=nobody", NEWEST), ("snoozed=yes", NEWEST), ("snoozed=no", BY_P), ("review=true", NEWEST),
    ("review=false", NEWEST), ("status=pending&q=early", NEWEST), ("status=investigating&q=line", NEWEST),
    ("stream=llm&tags_any=all", BY_NCD), ("q=early&tags_any=all&metadata=host=rare", NEWEST),
    *((f"pattern={OFTEN}", order) for order in (NEWEST, OLDEST, BY_STATUS, BY_STREAM, BY_NCD)),
    *((f"pattern={OFTEN}&status={status}", NEWEST) for status in ("pending", "acknowledged")),
    (f"pattern={RARE}", NEWEST), (f"pattern={RARE}&status=pending", BY_NCD), (f"pattern={UUID(int=0)}", BY_P),
    (f"pattern={OFTEN}&significant=false&q=line", NEWEST), (f"pattern={OFTEN}&{TIME}", NEWEST),
    *(("source=db7", order) for order in (NEWEST, OLDEST, BY_STATUS, BY_STREAM, BY_NCD)),
    ("source=rare", NEWEST), ("source=rare&status=pending", BY_NCD), ("source=nowhere", BY_P),
    ("source=db7&status=acknowledged", NEWEST), ("source=db7&significant=false&q=line", NEWEST),
    (f"source=db7&pattern={RARE}", NEWEST), (f"source=rare&{TIME}", OLDEST),
    ("status=pending&snoozed=no&assigned=ana", NEWEST), (f"{TIME}&q=early", NEWEST),
    ("q=line&tags_any=all&ncd_min=0.9995", NEWEST), ("tags_any=tag7&q=-process", OLDEST),
]  # fmt: skip


def bounds() -> ExitStack:
    """A tenth of the bounds, for a table of a tenth of the rows."""
    stack = ExitStack()
    stack.enter_context(patch.multiple(pages, LOOKED_AT=PAGE, LOOKED_AT_APART=PAGE // 2))
    stack.enter_context(patch.object(finding, "FOUND", COLLECTED))
    stack.enter_context(patch.multiple(counts, COUNTED=COUNTED, FETCHED=FETCHED))
    stack.enter_context(patch.object(value_counts, "NEWEST", 100))
    stack.enter_context(patch.multiple(matches, LOOKED_AT=BULK, FOUND=EXPORTED))
    return stack


def _first_page(step: Callable[..., Any], listing: Listing, order: tuple[str, ...]) -> Any:
    return step(listing, order, "", 50, SHOWN)


def _all_of(listing: Listing) -> list[Any]:
    return list(every(listing))


class Lists(TestCase):
    """The lists, read over statistics of one kind. A TestCase: its rows are made once, and rolled back."""

    __test__ = False
    # What the planner learns, before there are rows and after.
    before: ClassVar[list[str]] = []
    after: ClassVar[list[str]] = ["ANALYZE anomalies"]

    @classmethod
    def setUpTestData(cls) -> None:
        with connection.cursor() as cursor:
            for statement in cls.before:
                cursor.execute(statement)
            empty_table()
            cursor.execute(FILL, [ROWS])
            for index in ("words", "tags", "metadata"):  # as autovacuum would
                cursor.execute("SELECT gin_clean_pending_list(%s)", [f"idx_anomalies_{index}"])
            cursor.execute("SELECT fold_anomaly_hours(), fold_anomaly_tags(), fold_anomaly_patterns()")
            for statement in cls.after:
                cursor.execute(statement)

    def setUp(self) -> None:
        self.enterContext(bounds())

    def statements(self, action: Any) -> list[str]:
        """The statements by which something reads anomalies."""
        with CaptureQueriesContext(connection) as queries:
            action()
        return [each["sql"] for each in queries if "anomalies" in each["sql"]]

    def worst(self, action: Any) -> float:
        """The most rows that one of its statements looks at."""
        return max((rows_read(explain(sql)) for sql in self.statements(action)), default=0)

    def above(self, most: float, reads: Callable[[Listing, tuple[str, ...]], Any]) -> dict[str, float]:
        """The lists for which something looks at more rows than that, and at how many."""
        found = {}
        for query, order in LISTS:
            listing = listing_of(AnomalyFilter(QueryDict(query), me="ana"))
            worst = self.worst(partial(reads, listing, order))
            if worst > most:
                found[f"{query} by {order[0]}"] = worst
        return found

    def test_a_page_looks_at_few_rows(self):
        # A sample, what is collected, what is walked in all or in each of several segments, and the page.
        most = 2_000 + 2 * COLLECTED + 2 * PAGE + 300
        for step in (page_after, page_before):
            assert self.above(most, partial(_first_page, step)) == {}

    def test_a_page_holds_the_first_rows_up_to_where_it_stopped(self):
        for query, order in LISTS:
            filterset = AnomalyFilter(QueryDict(query), me="ana")
            page, expected = (
                page_after(listing_of(filterset), order, "", 50, SHOWN),
                filterset.qs.order_by(*order),
            )
            assert page.rows == list(expected[: len(page.rows)]), query
            assert page.edge is not None or len(page.rows) == min(50, expected.count()), query

    def test_figures_look_at_few_rows(self):
        def read(listing: Listing, order: Any) -> None:
            with figures(listing, listing, Steps("month", "UTC"), with_values=True) as answer:
                answer()

        # What is counted by status and stream, and what is read for the values of other filters.
        counted = 2_000 + 2 * COLLECTED + COUNTED + FETCHED
        valued = 2_000 + 2 * COLLECTED + 2 * PAGE
        assert self.above(counted + valued + 500, read) == {}

    def test_what_is_collected_for_an_export_is_found_by_its_index(self):
        for query in (
            "q=7777",
            "q=nowhere",
            "tags_all=tag7,tag8",
            "metadata=host=rare",
            "assigned=ana",
            f"pattern={RARE}",
            "source=rare",
        ):
            listing = listing_of(AnomalyFilter(QueryDict(query), me="ana"))
            assert self.worst(partial(_all_of, listing)) <= 2_000 + 2 * EXPORTED

    def test_a_decision_about_all_looks_at_no_more_than_it_may(self):
        most = 2_000 + 32 * 100 + BULK + EXPORTED
        assert self.above(most, lambda listing, order: list(first(listing, order, 100).rows)) == {}

    def test_what_stands_beside_an_anomaly_looks_at_its_own_source_only(self):
        lines = [{"text": f"{n} is odd {'x' * 300}", "odd": True} for n in range(300)]
        rows = Anomaly.objects.for_list().filter(stream_type="logs").order_by("-timestamp")
        named, unnamed = rows.filter(source="db7")[:2]
        unnamed.source = ""  # of the whole stream
        for one in (named, unnamed):
            assert self.worst(partial(usual, one)) <= 2_000
            assert self.worst(partial(around, one)) <= 500
            one.tags = ["tag7"]
            assert self.worst(partial(precedents, one, json.dumps(lines))) <= 5 * LOOKED_AT


@pytest.mark.slow
class TestRightStatistics(Lists):
    __test__ = True

    def test_each_list_is_read_by_the_index_that_is_meant(self):
        for query, order, index in (
            ("", NEWEST, "time"), ("", OLDEST, "time"), ("", BY_STATUS, "status"), ("", BY_STREAM, "stream"),
            ("", BY_NCD, "ncd"), ("", BY_P, "p"), ("stream=logs", NEWEST, "stream"),
            ("status=pending", NEWEST, "status"), (f"pattern={OFTEN}", NEWEST, "pattern"),
            (f"pattern={RARE}&status=pending", OLDEST, "pattern"), ("significant=false", NEWEST, "status"),
            ("source=db7", NEWEST, "source"), ("source=rare&status=pending", OLDEST, "source"),
        ):  # fmt: skip
            listing = listing_of(AnomalyFilter(QueryDict(query)))
            (sql,) = self.statements(partial(_first_page, page_after, listing, order))
            assert indexes_of(explain(sql)) == {f"idx_anomalies_walk_{index}", "anomalies_pkey"}

    def test_a_page_in_the_middle_costs_what_the_first_one_costs(self):
        place = "2026-02-10T00:00:00Z,00000000-0000-0000-0000-000000000000"
        for order, cursor in ((NEWEST, place), (BY_STATUS, f"dismissed,{place}")):
            for query in ("", "status=dismissed", "stream=logs"):
                listing = listing_of(AnomalyFilter(QueryDict(query)))
                read = partial(page_after, listing, order, cursor, 50, Anomaly.objects.all())
                assert self.worst(read) <= 2_000

    def test_many_rows_of_one_moment_are_no_more_work(self):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL driftlock.requires_actor = off")
            cursor.execute(
                "UPDATE anomalies SET timestamp = '2026-03-01', p_value = 0.5 WHERE stream_type = 'logs'"
            )
        for order in (NEWEST, BY_P, BY_STATUS):
            listing = listing_of(AnomalyFilter(QueryDict("")))
            assert self.worst(partial(_first_page, page_after, listing, order)) <= 2_000

    def test_of_a_list_that_was_walked_only_the_newest_rows_are_counted(self):
        for query in ("q=-line", "tags_any=all", "ncd_min=0.1", f"{TIME}&q=early"):
            listing = listing_of(AnomalyFilter(QueryDict(query)))
            reading = figures(listing, listing, Steps("month", "UTC"), is_frequent=True)
            with CaptureQueriesContext(connection) as asked, reading as answer:
                answer()
            assert rows_read(explain(asked[0]["sql"])) <= COUNTED + FETCHED + 200, query

    def test_a_full_page_looks_only_near_its_last_row_for_the_rest_of_an_incident(self):
        self.client.force_login(User.objects.create_superuser("kim"))
        gap = int(timedelta(minutes=8).total_seconds())
        with self.settings(EPISODE_GAP=gap), patch.object(pages, "LOOKED_AT", 20 * PAGE):
            asked = self.statements(
                partial(self.client.get, "/admin/anomalies/anomaly/?q=-nowhere&ncd_min=.01")
            )
        more = [sql for sql in asked if "is_edge" in sql][1:]
        assert [rows_read(explain(sql)) <= 2_000 + 2 * COLLECTED + 300 for sql in more] == [True]

    def test_a_page_touches_as_few_blocks(self):
        listing = listing_of(AnomalyFilter(QueryDict("status=pending")))
        (sql,) = self.statements(partial(_first_page, page_after, listing, NEWEST))
        assert blocks_read(explain(sql)) <= 400

    def test_what_a_roll_up_knows_is_counted_without_reading_rows(self):
        self.client.force_login(User.objects.create_superuser("lea"))
        for query in (
            "",
            "status=pending",
            "status=pending&stream=logs&significant=true",
            "tags_any=tag7",
            f"pattern={OFTEN}",
        ):
            asked = self.statements(partial(self.client.get, f"/admin/anomalies/anomaly/?{query}"))
            (count,) = [sql for sql in asked if "performance_metrics" in sql]
            assert rows_read(explain(count)) <= 100, query  # the months, of which each is one row


@pytest.mark.slow
class TestNoStatistics(Lists):
    __test__ = True
    after: ClassVar[list[str]] = ["DELETE FROM pg_statistic WHERE starelid = 'anomalies'::regclass"]


def _of(rows: dict[str, str]) -> list[str]:
    """Statistics of other rows, which are gone again."""
    return [
        "SET LOCAL driftlock.requires_actor = off",
        OTHERS.format(**rows),
        "ANALYZE anomalies",
    ]


@pytest.mark.slow
class TestStatisticsInWhichAllIsRare(Lists):
    __test__ = True
    before: ClassVar[list[str]] = _of(ALL_RARE)
    after: ClassVar[list[str]] = []


@pytest.mark.slow
class TestStatisticsInWhichAllIsFrequent(Lists):
    __test__ = True
    before: ClassVar[list[str]] = _of(ALL_FREQUENT)
    after: ClassVar[list[str]] = []


@pytest.mark.slow
class TestStatisticsByWhichEachValueIsUnique(Lists):
    __test__ = True
    after: ClassVar[list[str]] = [
        *(
            f"ALTER TABLE anomalies ALTER COLUMN {column} SET (n_distinct = -1)"
            for column in (
                "status",
                "stream_type",
                "is_statistically_significant",
                "assigned_to",
                "p_value",
                "pattern",
                "source",
            )
        ),
        "ANALYZE anomalies",
    ]
