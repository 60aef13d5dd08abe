"""The counts beside a list whose page a finder collected: from the page's own statement."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.factories import make_anomaly

LIST = "/admin/anomalies/anomaly/"


def test_rows_that_were_collected_for_a_page_are_not_searched_for_again_to_count_them(client, db):
    client.force_login(User.objects.create_superuser("kim"))
    for stream, words in (("logs", "a rare word"), ("llm", "a rare word"), ("logs", "another")):
        make_anomaly(stream_type=stream, glass_box_explanation=words)
    for query, count in (("q=rare", 2), ("q=rare&o=-2", 2), ("q=nowhere", 0)):
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(f"{LIST}?{query}&single=1")
        assert sum("TABLESAMPLE" in each["sql"] for each in asked) == 1, query
        figures = answer.context["cl"].figures
        assert (figures.count, figures.is_least, sum(figures.facets.values())) == (count, False, count)


def test_counts_by_status_are_of_the_list_without_that_filter(client, db):
    client.force_login(User.objects.create_superuser("kim"))
    for status in ("pending", "pending", "investigating"):
        make_anomaly(status=status, glass_box_explanation="a rare word")
    figures = client.get(f"{LIST}?q=rare&status=pending").context["cl"].figures
    assert (figures.count, sum(figures.facets.values())) == (2, 3)
