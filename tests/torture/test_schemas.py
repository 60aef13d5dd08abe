"""Requests that schemathesis makes from the OpenAPI documents: no answer is a 5xx or breaks the document.

DRIFTLOCK_API_CASES is their number over all operations; ``make torture API_CASES=20000`` asks for as many.
Operations without parameters take fewer. Half of the addresses name rows that exist. Each case is rolled
back, so a failure is repeated by itself.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as product
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalies.api.application import documents
from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, BulkSet, Comment, DetectionConfig
from anomalies.triage.comments import add
from anomalies.triage.frozen_selection import freeze
from anomalies.triage.rules import NewRule, make
from tests.api.programs import program
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
CASES = int(os.environ.get("DRIFTLOCK_API_CASES", "100"))
DOCUMENTS = ("/api/openapi.json", "/v1/openapi.json")


def lines(context: Any, value: Any) -> bytes:
    """The body of an ingest."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


# Schemathesis is imported where it is used: each worker collects this file, and one runs it.


@functools.cache
def operations() -> dict[str, Any]:
    """The operations of the documents by their method and path."""
    import schemathesis

    schemathesis.serializer("application/x-ndjson")(lines)
    application = get_wsgi_application()
    schemas = [schemathesis.openapi.from_wsgi(path, application) for path in DOCUMENTS]
    return {each.ok().label: each.ok() for schema in schemas for each in schema.get_all_operations()}


LABELS = [
    f"{method.upper()} {path}"
    for document in documents()
    for path, methods in document["paths"].items()
    for method in methods
]


def test_schemathesis_reads_every_operation_of_the_documents():
    assert sorted(operations()) == sorted(LABELS)


made = 0  # requests


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker) -> Iterator[dict[str, Any]]:
    """The ids of rows that exist, by the name of the parameter, and the header of a token."""
    former = product.API_STREAM_SECONDS, product.API_RATE
    product.API_STREAM_SECONDS = product.API_RATE = 0
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    with django_db_blocker.unblock(), transaction.atomic():
        anomaly, lead = make_anomaly(), program("lead")
        anomaly.refresh_from_db()
        actor = Actor(lead.token.owner.username)
        freeze(Anomaly.objects.order_by("-id"), actor.username, "dismiss", "all anomalies")
        add(anomaly.pk, "seen before", actor)
        rule = make(NewRule("dismiss", "known", pattern=anomaly.pattern, reason="known_harmless"), actor)
        yield {
            "anomaly_id": str(anomaly.pk),
            "key": str(anomaly.pattern),
            "bulk_id": str(BulkSet.objects.get().pk),
            "config_id": DetectionConfig.objects.get().pk,
            "comment_id": str(Comment.objects.get().pk),
            "rule_id": str(rule.pk),
            "entry_id": AuditLog.objects.order_by("-id")[0].pk,
            "headers": {"Authorization": f"Bearer {lead.secret}"},
        }
        transaction.set_rollback(True)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
    product.API_STREAM_SECONDS, product.API_RATE = former
    print(f"{made:,} requests to {len(LABELS)} operations")


@pytest.mark.parametrize("label", LABELS)
def test_no_answer_is_a_server_error_or_breaks_the_document(rows, label):
    operation = operations()[label]

    @settings(
        max_examples=max(1, CASES // len(LABELS)),
        derandomize="DRIFTLOCK_API_CASES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_there=st.booleans())
    def holds(case: Any, is_there: bool) -> None:
        global made
        made += 1
        for name in case.path_parameters or {}:
            case.path_parameters[name] = rows[name] if is_there else other(rows[name])
        with transaction.atomic():
            answer = case.call(headers=rows["headers"])
            transaction.set_rollback(True)
        case.validate_response(answer, checks=checks())

    holds()


@functools.cache
def checks() -> list[Any]:
    """The checks of an answer."""
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as openapi

    return [
        checks.not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
    ]


def other(key: Any) -> Any:
    """A key like this that no row has."""
    return key + 1 if isinstance(key, int) else str(uuid.uuid4())
