"""Plans of reads about a pattern: along its own index, whatever else there is to choose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, newest_of_pattern
from anomalies.queries import hourly_rollup
from anomalies.queries.patterns.rules import proposals
from anomalies.queries.patterns.what_if import what_if
from anomalies.triage.decisions import decide
from anomalies.triage.rules import limits_of
from tests.support.databases import run
from tests.support.factories import anomaly_values
from tests.support.plans import blocks_read, explain, indexes_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(db):
    """The pattern of most anomalies: what makes an index on time look good."""
    now = timezone.now()
    Anomaly.objects.bulk_create(
        Anomaly(
            **anomaly_values(
                glass_box_explanation=f"process {n} lost" if n % 10 else f"word {chr(97 + n % 7)}",
                timestamp=now - timedelta(minutes=n),
            )
        )
        for n in range(400)
    )
    some = list(
        Anomaly.objects.filter(glass_box_explanation__startswith="process").values_list("pk", flat=True)
    )
    decide("dismiss", some[:200], Actor("ana"), reason="other")
    hourly_rollup.fold()
    run("ANALYZE anomalies")
    run("SET LOCAL enable_seqscan = off")  # so small a table is read whole otherwise
    return Anomaly.objects.get(pk=some[0]).pattern


def test_what_a_pattern_has_of_other_statuses_is_not_read(db):
    run("SET LOCAL driftlock.requires_actor = off")
    run(
        """INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
               compression_baseline, compression_window, compression_combined, confidence_level,
               is_statistically_significant, dismissed_by, dismissed_at, dismissal_reason)
           SELECT now() - n * interval '1 s', 'logs', .9, .01, 'dismissed', 'x', .2, .4, .3, .9, true,
                  'ana', now(), 'other'
           FROM generate_series(1, 5000) AS n"""
    )
    ((key,),) = run("SELECT DISTINCT pattern FROM anomalies")
    dismissed, pending = (
        newest_of_pattern("1", f"'{key}'", f"'{status}'", 10) for status in ("dismissed", "pending")
    )
    assert run(f"SELECT count(*) FROM {dismissed} AS found") == [(10,)]
    assert blocks_read(explain(f"SELECT count(*) FROM {pending} AS found")) <= 20


@pytest.mark.parametrize(
    "read",
    [limits_of, lambda key: what_if([key]), lambda key: proposals()],
    ids=["limits", "what-if", "proposals"],
)
def test_it_is_read_along_the_index_of_patterns(key, read: Callable[..., object]):
    with CaptureQueriesContext(connection) as queries:
        assert read(key)
    for each in queries:
        assert indexes_of(explain(each["sql"])) == {"idx_anomalies_walk_pattern"}
