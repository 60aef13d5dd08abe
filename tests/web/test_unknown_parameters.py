"""Parameters that a list does not offer (docs/security.md): they select nothing."""

from __future__ import annotations

import pytest

from tests.support.factories import make_anomaly
from tests.support.forms import LIST, messages_of

pytestmark = pytest.mark.django_db

each_parameter = pytest.mark.parametrize(
    "parameter", ["nope=1", "status__exact=pending", "notes__regex=a", "user__password=x", "id__in=1"]
)


@each_parameter
def test_the_list_of_anomalies_shows_no_rows_and_says_so(admin_client, parameter):
    make_anomaly()
    page = admin_client.get(f"{LIST}?{parameter}")
    assert (page.status_code, page.context["cl"].result_count) == (200, 0)
    assert "Unknown filter" in messages_of(page)


@each_parameter
@pytest.mark.parametrize(
    "address",
    ["anomalies/auditlog/", "anomalies/detectionconfig/", "anomalies/performancemetric/", "auth/user/"],
)
def test_every_other_list_answers_400(admin_client, address, parameter):
    assert admin_client.get(f"/admin/{address}?{parameter}").status_code == 400
