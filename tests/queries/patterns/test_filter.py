"""The filters by a pattern and by a source: the list, its counts, and what decides about all of it."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.queries import hourly_rollup
from anomalies.queries.bounded.filter_listing import counted_of, listing_of
from anomalies.queries.bounded.matches import every
from anomalies.queries.filters import AnomalyFilter, in_words
from anomalies.queries.patterns.rollup import Patterned
from tests.support.factories import make_anomaly, other_program

pytestmark = pytest.mark.django_db

LIST = "/admin/anomalies/anomaly/"


@pytest.fixture
def key() -> UUID:
    """The pattern of three anomalies, one of which is decided, beside another pattern."""
    with other_program():
        for number in range(3):
            make_anomaly(glass_box_explanation=f"process {number} lost")
        make_anomaly(glass_box_explanation="found")
        Anomaly.objects.filter(glass_box_explanation="process 2 lost").update(status="dismissed")
    return Anomaly.objects.get(glass_box_explanation="process 0 lost").pattern


def asked(query: str) -> AnomalyFilter:
    return AnomalyFilter(QueryDict(query), queryset=Anomaly.objects.all())


def test_it_selects_the_anomalies_of_the_pattern(key):
    pending = asked(f"pattern={key}&status=pending")
    assert (asked(f"pattern={key}").qs.count(), pending.qs.count()) == (3, 2)
    assert set(every(listing_of(pending))) == set(pending.qs)
    assert in_words(pending) == f"pending anomalies of pattern {str(key)[:8]}"


def test_a_source_selects_its_own_anomalies():
    with other_program():
        ours = [make_anomaly(metadata={"service": "checkout", "host": host}) for host in ("h1", "h2")]
        make_anomaly(metadata={"service": "check"})
        make_anomaly(metadata=None)
    found = asked("source=checkout")
    assert set(found.qs) == set(every(listing_of(found))) == set(ours)
    assert in_words(found) == "anomalies from checkout"


@pytest.mark.parametrize(
    ("more", "known"), [("", True), ("&status=pending", True), ("&stream=llm", True), ("&q=x", False)]
)
def test_the_roll_up_counts_a_pattern_with_status_and_stream(key, more, known):
    assert counted_of(asked(f"pattern={key}{more}")) == (Patterned(key) if known else None)


@pytest.mark.parametrize("is_folded", [True, False])
def test_the_list_counts_from_the_roll_up(key, client, viewer, is_folded):
    if is_folded:
        hourly_rollup.fold()
    client.force_login(viewer)
    with CaptureQueriesContext(connection) as queries:
        changes = client.get(f"{LIST}?pattern={key}&status=pending").context["cl"]
    assert (changes.result_count, len(changes.page.rows)) == (2, 2)
    assert changes.figures.facets == Counter({("pending", "logs"): 2, ("dismissed", "logs"): 1})
    assert sum("anomaly_patterns_now" in each["sql"] for each in queries) == 1


def test_what_is_no_key_is_named_and_matches_nothing(key):
    wrong = asked("pattern=lost")
    assert (wrong.qs.count(), list(wrong.form.errors)) == (0, ["pattern"])
