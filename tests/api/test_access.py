"""Access by role and scope to every operation of the document, and without a valid token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from anomalies.api.application import documents
from anomalies.api_tokens import revoke
from anomalies.audit import Actor
from anomalies.models import Anomaly, ApiToken, DetectionConfig, Scope
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly
from tests.support.people import browser_of
from tests.support.sizes import variants

pytestmark = pytest.mark.django_db
TABLE = Path(__file__).parents[2] / "docs" / "permissions.md"
ROLES = ("viewer", "analyst", "lead")
OPENS = {
    "read": {"viewer", "analyst", "lead"},
    "decide": {"analyst", "lead"},
    "ingest": {"lead"},
    "configure": {"lead"},
}


def operations() -> Iterator[tuple[str, str, str | None]]:
    """Method, path and scope of every operation that the documents name."""
    for document in documents():
        for path, found in document["paths"].items():
            for method, operation in found.items():
                yield method.upper(), path, operation.get("x-scope")


def address(path: str) -> str:
    numbers = {
        "anomaly_id": Anomaly.objects.latest("id").pk,
        "config_id": DetectionConfig.objects.get().pk,
        "bulk_id": UUID(int=1),
        "key": Anomaly.objects.latest("id").pattern,
        "rule_id": UUID(int=1),
        "comment_id": UUID(int=1),
        "entry_id": 1,
    }
    return re.sub(r"\{(\w+)\}", lambda found: str(numbers[found[1]]), path)


@pytest.fixture(autouse=True)
def streams_end_at_once(settings):
    settings.API_STREAM_SECONDS = 0


def call(client: Client, method: str, path: str) -> Any:
    """The answer; what it did is taken back."""
    with transaction.atomic():
        try:
            answer = client.generic(method, address(path), b"{}", "application/json")
            answer.getvalue()  # to the end of a stream
            return answer
        finally:
            transaction.set_rollback(True)


def statuses(client: Client) -> dict[tuple[str, str], int]:
    return {(m, p): call(client, m, p).status_code for m, p, scope in operations() if scope}


@pytest.mark.parametrize(("role", "scope"), variants(product(ROLES, Scope.values)))
def test_a_token_opens_what_its_scope_and_its_owners_role_open_and_nothing_else(role, scope):
    make_anomaly()
    said = statuses(program(role, scope).client)
    opened = {(m, p) for m, p, needed in operations() if needed == scope and role in OPENS[scope]}
    assert {key for key, status in said.items() if status != 403} == opened
    assert not [status for status in said.values() if status >= 500 or status == 401]


def test_a_refusal_names_what_is_missing_the_scope_or_the_role():
    reader, viewer = program("lead", "read"), program("viewer", "ingest")
    refused = [each.post("/api/v1/ingest", {}) for each in (reader, viewer)]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert "lacks the scope ingest; its scopes: read" in refused[0].json()["detail"]
    assert "has a role that does not allow ingest" in refused[1].json()["detail"]


def test_a_call_that_is_allowed_is_noted_as_the_last_use_of_its_token_and_a_refused_one_is_not():
    reader = program("viewer", "read")
    reader.post("/api/v1/ingest", {})
    assert ApiToken.objects.get().last_used_at is None
    reader.get("/api/v1/anomalies")
    assert ApiToken.objects.get().last_used_at is not None


def test_the_table_in_the_docs_is_that_of_the_operations():
    section = TABLE.read_text().split("## Addresses of programs\n")[1].split("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines()]
    documented = {tuple(row[:3]) for row in rows if len(row) > 2 and row[0].isupper()}
    assert documented == {(method, path, scope or "none") for method, path, scope in operations()}


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer driftlock_x"},
        {"Authorization": "Bearer driftlock_\xff"},
        {"Authorization": "Basic cm9vdDpwYXNzd29yZA=="},
        {"Authorization": "Token x"},
    ],
)
def test_whatever_is_no_token_is_401_and_names_the_scheme(header):
    make_anomaly()
    client = Client(headers=header)
    assert set(statuses(client).values()) == {401}
    answer = client.get("/api/v1/anomalies")
    assert (answer["WWW-Authenticate"], answer["Content-Type"]) == ("Bearer", "application/problem+json")


def test_a_session_of_the_desk_opens_nothing():
    make_anomaly()
    assert set(statuses(browser_of("superuser")).values()) == {401}


def test_a_token_in_the_address_opens_nothing():
    reader = program("viewer")
    for name in ("token", "access_token", "authorization"):
        assert Client().get("/api/v1/anomalies", {name: reader.secret}).status_code == 401


@pytest.mark.parametrize("end", ["revoked", "expired", "deactivated"])
def test_a_token_that_ended_is_refused_at_its_next_call(end):
    reader: Program = program("viewer", "read")
    assert reader.get("/api/v1/anomalies").status_code == 200
    if end == "revoked":
        revoke(ApiToken.objects.all(), Actor("x"))
    elif end == "expired":
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        type(reader.token.owner).objects.update(is_active=False)
    assert reader.get("/api/v1/anomalies").status_code == 401
