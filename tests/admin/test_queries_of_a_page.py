"""Every page of the desk waits for the database at most eight times, whatever it shows.

Each statement counts, settings too. The begin and the end of a transaction don't: in a test they are a
savepoint's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor
from anomalies.models import Anomaly, DetectionConfig, TriageRule
from anomalies.triage.comments import add
from anomalies.triage.decisions import decide
from anomalies.triage.frozen_selection import freeze
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

MOST = 8
CONTROL = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")
BATCH = UUID(int=7)
NOW = datetime.now(UTC)
ANOMALY = "/admin/anomalies/anomaly/"
PAGES = [
    "/admin/",
    "/admin/?overview",
    ANOMALY,
    f"{ANOMALY}?status=pending&tags_any=t&q=odd&single=1&_facets=True",
    f"{ANOMALY}?pattern=PATTERN&o=-3",
    f"{ANOMALY}ID/change/",
    f"{ANOMALY}ID/change/?find=odd&all=window",
    f"{ANOMALY}ID/change/?queue=status%3Dpending",
    f"{ANOMALY}ID/change/?queue=order%3Dtime%26tags_any%3Dt",
    f"{ANOMALY}ID/history/",
    f"{ANOMALY}queue/",
    f"{ANOMALY}queue/?order=time&after=",
    f"{ANOMALY}filters/",
    f"{ANOMALY}arrivals/?age=1000",
    f"{ANOMALY}bulk/BULK/",
    f"{ANOMALY}undo/UNDO/",
    f"{ANOMALY}export/csv/",
    "/admin/anomalies/pattern/?open=yes",
    "/admin/anomalies/auditlog/",
    "/admin/anomalies/auditlog/shift/",
    "/admin/anomalies/auditlog/shift/?hours=168",
    "/admin/anomalies/triagerule/",
    "/admin/anomalies/triagerule/add/?pattern=PATTERN",
    "/admin/anomalies/ownershiprule/?what-if",
    "/admin/anomalies/ownershiprule/add/",
    "/admin/anomalies/ownershiprule/team/",
    "/admin/anomalies/notificationrule/",
    "/admin/anomalies/notificationdelivery/",
    "/admin/anomalies/detectionconfig/",
    "/admin/anomalies/detectionconfig/CONFIG/change/",
    "/admin/anomalies/detectionconfig/what-if/?ncd_threshold=0.3&p_value_threshold=0.05",
    "/admin/anomalies/performancemetric/",
    "/admin/anomalies/performancemetric/performance/",
    "/admin/anomalies/streamstatistics/",
    "/admin/anomalies/recentsignificantanomaly/",
    "/admin/anomalies/apitoken/",
]


@pytest.fixture
def ids(lead) -> dict[str, str]:
    """Anomalies with decisions of two people, a comment that names the lead, and a rule that stopped."""
    make_user("analyst", "ana")
    made = [
        make_anomaly(timestamp=NOW - timedelta(minutes=n), tags=["t"], metadata={"host": "db1"})
        for n in range(12)
    ]
    decide("dismiss", [each.pk for each in made[:3]], Actor("ana"), reason="other", batch=BATCH)
    decide("acknowledge", [made[3].pk], Actor("bo"))
    add(made[9].pk, f"@{lead.username} look", Actor("ana"))
    pattern = Anomaly.objects.values_list("pattern", flat=True)[0]
    about = {"pattern": pattern, "ncd_limit": 0.5, "hourly_limit": 10}
    ended = {"stopped_at": NOW, "stop_reason": "too many", "expires_at": NOW + timedelta(days=9)}
    TriageRule.objects.create(action="snooze", owner="ana", note="why", **about, **ended)
    return {
        "ID": str(made[9].pk),
        "PATTERN": str(pattern),
        "UNDO": str(BATCH),
        "BULK": str(freeze(Anomaly.objects.all(), lead.username, "dismiss", "all").pk),
        "CONFIG": str(DetectionConfig.objects.values_list("pk", flat=True)[0]),
    }


@pytest.fixture
def desk(client, lead) -> Client:
    client.force_login(lead)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_a_page_takes_eight_queries_at_most(desk, ids, page):
    for name, value in ids.items():
        page = page.replace(name, value)
    with CaptureQueriesContext(connection) as asked:
        answer = desk.get(page)
        b"".join(answer)
    assert answer.status_code in (200, 302), "not the page that is meant"
    sent = [each["sql"] for each in asked if not each["sql"].startswith(CONTROL)]
    assert len(sent) <= MOST, "\n".join(each[:200] for each in sent)
