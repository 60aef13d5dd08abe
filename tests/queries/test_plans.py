"""What PostgreSQL does for the list's own SQL over 100,000 rows: it never reads them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.queries.precedents import LOOKED_AT, precedents

LIST = "/admin/anomalies/anomaly/"
ROWS = 100_000

# Shaped as a detector's: most rows are pending logs, scores and times differ, words and tags repeat.
FILL = f"""
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, is_statistically_significant,
        metadata, tags, window_data
    )
    SELECT timestamptz '2026-01-01' + n * interval '4 minutes',
           CASE WHEN n % 50 = 0 THEN 'llm' WHEN n % 10 = 0 THEN 'metrics' ELSE 'logs' END,
           hash_n, 1 - hash_n,
           CASE WHEN n % 100 = 0 THEN 'investigating' WHEN n % 3 = 0 THEN 'dismissed' ELSE 'pending' END,
           'line ' || n || ' of process ' || n % 997 || ' is new',
           0.2, 0.5, 0.3, hash_n, n % 4 = 0,
           jsonb_build_object('host', CASE WHEN n % 20000 = 0 THEN 'rare' ELSE 'db' || n % 499 END),
           ARRAY['tag' || n % 5003, 'all'],
           jsonb_build_array(repeat('x', 200))
    FROM (SELECT n, (hashint4(n)::bigint + 2147483648) / 4294967296.0 AS hash_n
          FROM generate_series(1, {ROWS}) AS n) AS numbers
"""


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan that read an index or a table."""
    if "Scan" in plan["Node Type"]:
        yield plan
    for step in plan.get("Plans", ()):
        yield from scans(step)


def rows_read(steps: list[dict[str, Any]]) -> float:
    """How many rows of the table were looked at, those thrown away again included."""
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        step.get(kind, 0) for step in steps if step.get("Relation Name") == "anomalies" for kind in kinds
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("narrowed", ["ncd_score >= 0.1", "p_value <= 0.9"])
def test_what_is_narrowed_by_ncd_or_p_is_counted_without_fetching_rows(narrowed):
    counted = "status, stream_type, is_statistically_significant"
    with connection.cursor() as cursor:
        cursor.execute(FILL.replace(f"(1, {ROWS})", "(1, 20000)"))
        cursor.execute("VACUUM ANALYZE anomalies")
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT {counted} FROM anomalies WHERE {narrowed} LIMIT 10001"
        )
        (step,) = scans(cursor.fetchone()[0][0]["Plan"])
    assert (step["Node Type"], step["Heap Fetches"]) == ("Index Only Scan", 0)


@pytest.mark.slow
class TestPlans(TestCase):
    """A TestCase, because its rows are made once for all tests, and rolled back."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.lea = User.objects.create_superuser("lea")
        with connection.cursor() as cursor:
            cursor.execute(FILL)
            for index in ("search", "tags", "metadata"):  # as autovacuum would
                cursor.execute("SELECT gin_clean_pending_list(%s)", [f"idx_anomalies_{index}"])
            cursor.execute("SELECT fold_anomaly_hours(), fold_anomaly_tags()")
            cursor.execute("ANALYZE anomalies")

    def plans_of(self, query: str) -> list[list[dict[str, Any]]]:
        """What was done for a URL's count and for its page: the steps that touched the table."""
        self.client.force_login(self.lea)
        with CaptureQueriesContext(connection) as queries:
            answer = self.client.get(f"{LIST}?{query}")
        assert answer.context["cl"].result_count > 0
        asked = [each["sql"] for each in queries if 'FROM "anomalies"' in each["sql"]]
        count, page = sorted(asked, key=lambda sql: sql.startswith('SELECT "anomalies"'))
        return [list(scans(self.explain(sql))) for sql in (count, page)]

    def explain(self, sql: str) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0]
        return (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]

    def check(self, query: str, *index: str) -> None:
        """The page comes from ``index``, or one of several; for it and for the count few rows are read."""
        count, page = self.plans_of(query)
        used = [step.get("Index Name", step["Node Type"]) for step in page]
        assert all(name.startswith(index) or name == "Bitmap Heap Scan" for name in used), page
        assert rows_read(page) <= 5_000, page
        # Twice as many as are counted, once for the count and once for the facets, and who is passed over.
        assert rows_read(count) <= 30_000, count

    def test_the_first_page_reads_the_index_of_times(self):
        self.check("", "idx_anomalies_timestamp")

    def test_a_common_status_reads_an_index_newest_first(self):
        self.check("status=pending", "idx_anomalies")

    def test_a_rare_status_reads_its_index_newest_first(self):
        self.check("status=investigating", "idx_anomalies_status_time")

    def test_two_statuses_read_an_index(self):
        self.check("status=pending&status=investigating", "idx_anomalies")

    def test_one_stream_reads_its_index_newest_first(self):
        self.check("stream=llm", "idx_anomalies_stream_time")

    def test_a_status_of_a_stream_reads_an_index(self):
        self.check("status=investigating&stream=llm", "idx_anomalies")

    def test_the_last_days_read_the_index_of_times(self):
        self.check("since=2026-09-01T00:00:00&until=2026-09-02T00:00:00", "idx_anomalies_timestamp")

    def test_a_rare_word_reads_the_index_of_words(self):
        self.check("q=process+77777+OR+77777", "idx_anomalies_search")

    def test_a_common_word_with_a_rare_one_reads_the_index_of_words(self):
        self.check('q="process 511" 54321 OR 54322', "idx_anomalies_search")

    def test_any_of_the_tags_reads_the_index_of_tags(self):
        self.check("tags_any=tag7,tag8", "idx_anomalies_tags")

    def test_all_of_the_tags_read_the_index_of_tags(self):
        self.check("tags_all=tag7,all", "idx_anomalies_tags")

    def test_metadata_reads_the_index_of_metadata(self):
        self.check("metadata=host%3Drare", "idx_anomalies_metadata")

    def test_sorting_by_ncd_reads_its_index(self):
        self.check("o=-4", "idx_anomalies_by_ncd")

    def test_sorting_by_p_reads_its_index(self):
        self.check("o=5", "idx_anomalies_by_p")

    def test_a_page_in_the_middle_enters_the_index_there(self):
        place = "2026-05-01T00:00:00Z,00000000-0000-0000-0000-000000000000"
        self.check(f"single=1&after={place}", "idx_anomalies_timestamp")
        self.check(f"single=1&before={place}", "idx_anomalies_timestamp")

    def test_a_page_in_the_middle_of_a_status_enters_its_index_there(self):
        place = "2026-05-01T00:00:00Z,00000000-0000-0000-0000-000000000000"
        self.check(f"single=1&status=investigating&after={place}", "idx_anomalies_status_time")

    def test_a_page_among_rows_of_one_p_enters_the_index_there(self):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE anomalies SET p_value = 0.002 WHERE p_value < 0.5")
            cursor.execute("SELECT id FROM anomalies WHERE p_value = 0.002 ORDER BY id LIMIT 1 OFFSET 20000")
            place = f"0.002,{cursor.fetchone()[0]}"
        self.check(f"o=5&after={place}", "idx_anomalies_by_p")

    def test_the_last_page_reads_the_index_from_its_end(self):
        self.check("end=1", "idx_anomalies_timestamp")

    def test_a_narrow_range_of_ncd_reads_its_index(self):
        self.check("ncd_min=0.9995", "idx_anomalies_ncd_score", "idx_anomalies_by_ncd")

    def test_a_narrow_range_of_p_reads_its_index(self):
        self.check("p_max=0.0005", "idx_anomalies_p_value", "idx_anomalies_by_p")

    def test_what_the_roll_up_knows_is_counted_without_reading_rows(self):
        for query in ("", "status=pending", "status=pending&stream=logs&significant=true"):
            count, _page = self.plans_of(query)
            assert rows_read(count) <= 100, (query, count)  # the months, of which each is one row

    def test_what_it_does_not_know_is_read_once(self):
        count, _page = self.plans_of("ncd_min=0.1")
        assert rows_read(count) <= 15_000, count

    def test_precedents_of_a_rare_size_read_the_newest_of_their_stream_only(self):
        lines = [{"text": f"{n} is odd {'x' * 300}", "odd": True} for n in range(3_000)]
        newest = Anomaly.objects.filter(stream_type="logs").order_by("-timestamp")[:1].get()
        Anomaly.objects.filter(pk=newest.pk).update(window_data=lines)
        with CaptureQueriesContext(connection) as queries:
            precedents(newest, json.dumps(lines))
        plans = [list(scans(self.explain(each["sql"]))) for each in queries]
        # Twice as many as are looked at, and those of other streams or decisions passed over.
        assert plans and all(rows_read(steps) <= 5 * LOOKED_AT for steps in plans), plans
