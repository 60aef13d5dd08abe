"""The typed client: it is what the document gives, and does what its methods say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from anomalies.models import Anomaly
from scripts.python_client import CLIENT, document, written
from tests.api.programs import program
from tests.api.test_ingest import lines
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db


def client_module() -> Any:
    spec = importlib.util.spec_from_file_location("driftlock_client", Path(CLIENT))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = client_module()


def in_process(method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
    """The answer of this process to a request."""
    parts = urlsplit(url)
    kind = headers.pop("Content-Type", "")
    path = f"{parts.path}?{parts.query}"
    answer = Client(headers=headers).generic(method, path, body or b"", kind)
    return answer.status_code, answer.content


@pytest.fixture
def api(db) -> Any:
    return MODULE.Driftlock("http://testserver/", program("lead").secret, in_process)


def test_the_client_is_what_the_document_gives():
    assert CLIENT.read_text() == written(document()), "run scripts/python_client.py"


def test_it_has_a_method_for_every_operation():
    count = sum(len(found) for found in document()["paths"].values())
    assert len([name for name in vars(MODULE.Driftlock) if not name.startswith("_")]) == count > 20


def test_it_lists_by_filter_and_cursor(api):
    rows = [make_anomaly() for _ in range(3)]
    make_anomaly(status="dismissed", dismissed_by="bob")
    page = api.list_anomalies(status=["pending", "investigating"], stream=["logs"], limit=2)
    rest = api.list_anomalies(
        status=["pending", "investigating"], stream=["logs"], limit=2, cursor=page["next_cursor"]
    )
    found = page["anomalies"] + rest["anomalies"]
    assert {row["id"] for row in found} == {str(row.pk) for row in rows}
    assert api.list_patterns(open=True)["patterns"][0]["pending"] == 3


def test_it_decides_under_a_version_and_undoes(api):
    row = api.get_anomaly(str(make_anomaly().pk))
    done = api.decide_about(row["id"], {"action": "acknowledge"}, if_match=f'"{row["version"]}"')
    assert (done["status"], done["version"]) == ("acknowledged", 2)
    assert api.undo_for(row["id"], {"decision_id": done["decision_id"]})["status"] == "pending"


def test_it_decides_in_bulk(api):
    make_anomaly()
    bulk = api.preview_bulk({"action": "dismiss"}, status=["pending"])
    assert api.confirm_bulk(bulk["id"], {"reason": "duplicate"})["is_finished"]
    assert Anomaly.objects.get().status == "dismissed"


def test_it_ingests_lines(api):
    assert api.ingest_lines(lines(2), source="router")["new"] == 2


def test_a_refusal_is_an_error_with_its_problem(api):
    row = make_anomaly()
    with pytest.raises(MODULE.ApiError) as caught:
        api.decide_about(str(row.pk), {"action": "acknowledge"}, if_match='"7"')
    assert (caught.value.status, caught.value.problem["current_version"]) == (412, 1)


def test_a_url_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="http"):
        MODULE.Driftlock("file:///etc/passwd", "x")


def test_it_makes_and_stops_a_rule(api):
    pattern = str(Anomaly.objects.get(pk=make_anomaly().pk).pattern)
    rule = api.make_rule({"pattern": pattern, "action": "snooze", "note": "nightly", "days": 1})
    assert api.what_a_rule_would_hide(pattern=pattern)["limits"]["known"] == 1
    assert api.stop_rule(rule["id"], {"note": "moved"})["state"] == "stopped"
    assert [each["id"] for each in api.list_rules(state="ended")["rules"]] == [rule["id"]]
