"""The OpenAPI document: what it promises holds for any request, and its page loads nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as product
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomalies.api.application import documents
from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, BulkSet, Comment, TriageRule
from anomalies.triage.comments import add
from anomalies.triage.frozen_selection import freeze
from anomalies.triage.rules import NewRule, make
from driftlock import settings as product_settings
from tests.api.programs import program
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
DOCUMENTS = documents()
OPERATIONS = [
    (document, method, path, operation)
    for document in DOCUMENTS
    for path, found in document["paths"].items()
    for method, operation in found.items()
]
EXAMPLES = int(os.environ.get("DRIFTLOCK_API_EXAMPLES", "15"))
TEXT = st.text(max_size=20) | st.sampled_from(["", "\0", "null", "1e999", "-1", "%00", "9" * 40, "{}", "[1]"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def calls(django_db_setup, django_db_blocker):
    product.API_STREAM_SECONDS = 0  # a stream ends at once
    with django_db_blocker.unblock(), transaction.atomic():
        make_anomaly()
        lead = program("lead")
        freeze(Anomaly.objects.order_by("-id"), lead.token.owner.username, "snooze", "all anomalies")
        about = NewRule("snooze", "nightly", pattern=Anomaly.objects.get().pattern)
        make(about, Actor(lead.token.owner.username))
        add(Anomaly.objects.get().pk, "is it the disk?", Actor(lead.token.owner.username))
        yield lead.client
        transaction.set_rollback(True)
    product.API_STREAM_SECONDS = product_settings.API_STREAM_SECONDS


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a parameter or property: often what the document names, often anything."""
    named = schema.get("enum") or schema.get("items", {}).get("enum")
    number = st.integers(-5, 600).map(str)
    return st.sampled_from(named) | TEXT if named else TEXT | number


@st.composite
def requests(draw, document: dict[str, Any], operation: dict[str, Any]) -> tuple[Any, Any, Any]:
    """The query, the headers and the body of a request for an operation."""
    query, headers = {}, {}
    for parameter in operation.get("parameters", ()):
        if draw(st.booleans()):
            continue
        if parameter["in"] == "query":
            query[parameter["name"]] = draw(values(parameter["schema"]))
        elif parameter["in"] == "header":
            text = st.sampled_from(['"1"', "*", "x", "", '"2"', "7"])
            headers[parameter["name"]] = draw(text)
    if draw(st.integers(0, 9)) == 0:
        query[draw(st.text(max_size=5))] = draw(TEXT)
    return query, headers, draw(_body(document, operation))


def _body(document: dict[str, Any], operation: dict[str, Any]) -> st.SearchStrategy[bytes]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    properties = document["components"]["schemas"].get(name, {}).get("properties", {})
    said = st.fixed_dictionaries({}, optional={key: JSON | values(s) for key, s in properties.items()})
    return (said | JSON).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20)


def promised(document: dict[str, Any], operation: dict[str, Any], answer: Any) -> None:
    """Assert that the document names the answer's status, type and shape."""
    from jsonschema import validate  # here: its grammars take seconds, and each worker collects this file

    assert answer.status_code < 500 and str(answer.status_code) in map(str, operation["responses"]), (
        answer.status_code,
        answer.getvalue(),
    )
    content = next(r for s, r in operation["responses"].items() if int(s) == answer.status_code).get(
        "content"
    )
    if content:
        ((media_type, shape),) = content.items()
        assert answer["Content-Type"].startswith(media_type)
    if content and media_type.endswith("json"):
        schema = {**shape["schema"], "components": document["components"]}
        validate(json.loads(answer.content), schema)


@pytest.mark.parametrize(
    ("document", "method", "path", "operation"),
    OPERATIONS,
    ids=[f"{method} {path}" for _, method, path, _ in OPERATIONS],
)
def test_any_request_is_answered_as_the_document_says(calls, document, method, path, operation):
    address = re.sub(r"\{anomaly_id\}", str(Anomaly.objects.get().pk), path)
    address = re.sub(r"\{config_id\}", "1", address)
    address = re.sub(r"\{bulk_id\}", str(BulkSet.objects.get().pk), address)
    address = re.sub(r"\{key\}", str(Anomaly.objects.get().pattern), address)
    address = re.sub(r"\{entry_id\}", str(AuditLog.objects.earliest("id").pk), address)
    address = re.sub(r"\{comment_id\}", str(Comment.objects.get().pk), address)
    address = re.sub(r"\{rule_id\}", str(TriageRule.objects.get().pk), address)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(document, operation))
    def holds(request: tuple[Any, Any, Any]) -> None:
        query, headers, body = request
        with transaction.atomic():
            named = {key: str(value).encode(errors="surrogatepass") for key, value in query.items()}
            where = f"{address}?{urlencode(named)}"
            answer = calls.generic(method.upper(), where, body, "application/json", headers=headers)
            promised(document, operation, answer)
            answer.getvalue()  # to the end of a stream
            transaction.set_rollback(True)

    holds()


def test_every_operation_says_what_it_does_and_has_an_id_of_its_own():
    ids = [operation["operationId"] for _, _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert all(operation["description"] for _, _, _, operation in OPERATIONS)


def test_the_document_is_served_as_openapi_3_1():
    for path, document in zip(("/api/openapi.json", "/v1/openapi.json"), DOCUMENTS, strict=True):
        served = Client().get(path).json()
        assert served["openapi"] == "3.1.0" and served == json.loads(json.dumps(document))


def test_the_docs_page_loads_nothing_from_elsewhere_and_runs_no_inline_script():
    page = Client().get("/api/docs")
    text = page.content.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert loaded and all(address.startswith("/static/ninja/") for address in loaded)
    inline = re.findall(r"<script(?![^>]*src=)([^>]*)>", text)
    assert [each for each in inline if "application/json" not in each] == []
    assert "script-src 'self'" in page["Content-Security-Policy"]
