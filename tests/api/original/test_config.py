"""New configs: PATCH of the original server, which also activates, and POST under /api/v1/."""

from __future__ import annotations

import pytest

from anomalies.models import AuditLog, DetectionConfig
from tests.api.programs import Program, program

pytestmark = pytest.mark.django_db
PATCH, POST = ("PATCH", "/v1/config"), ("POST", "/api/v1/configs")
BOTH = pytest.mark.parametrize("address", [PATCH, POST], ids=["patch", "post"])


@pytest.fixture
def lead(db) -> Program:
    return program("lead", "configure")


def send(lead: Program, address: tuple[str, str], body: object, **headers: str):
    return lead.send(*address, body, **headers)


def test_a_patch_stores_a_new_config_and_makes_it_the_active_one(lead):
    former = DetectionConfig.objects.get()
    answer = send(lead, PATCH, {"ncd_threshold": 0.6, "notes": "stricter"})
    assert answer.status_code == 200, answer.content
    active = DetectionConfig.objects.get(is_active=True)
    assert (answer.json()["id"], active.ncd_threshold, active.notes) == (active.pk, 0.6, "stricter")
    assert (active.baseline_size, active.created_by) == (former.baseline_size, "lead of a program")
    former.refresh_from_db()
    assert (former.is_active, former.ncd_threshold) == (False, 0.5)
    entry = AuditLog.objects.filter(resource_type="detection_config").latest("id")
    assert entry.metadata["token"] == lead.token.prefix


def test_a_post_stores_a_new_config_and_leaves_the_active_one(lead):
    answer = send(lead, POST, {"stream_overrides": {"logs": {"ncd_threshold": 0.4}}})
    assert (answer.status_code, answer.json()["is_active"], answer["ETag"]) == (201, False, '"1"')
    assert DetectionConfig.objects.get(is_active=True).stream_overrides == {}


def test_an_if_match_of_a_patch_is_about_the_active_config(lead):
    assert send(lead, PATCH, {"window_size": 20}, If_Match='"7"').status_code == 412
    assert DetectionConfig.objects.count() == 1
    assert send(lead, PATCH, {"window_size": 20}, If_Match='"1"').status_code == 200


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        {"ncd_threshold": 1.5},
        {"p_value_threshold": "NaN"},
        {"baseline_size": 0},
        {"hop_size": 10**12},
        {"window_size": 1.5},
        {"stream_overrides": {"nginx": {"ncd_threshold": 0.5}}},
        {"stream_overrides": {"logs": {"ncd_threshold": 5}}},
        {"stream_overrides": {"logs": {"novelty": 0.5}}},
        {"stream_overrides": [1]},
        {"notes": "\0"},
        {"notes": "\ud800"},
        {"notes": "x" * 10_001},
        {},
        [],
        None,
    ],
)
def test_values_out_of_range_are_422_and_store_nothing(lead, address, body):
    answer = send(lead, address, body)
    assert (answer.status_code, DetectionConfig.objects.count()) == (422, 1), answer.content


@BOTH
def test_without_an_active_config_it_is_422(lead, address):
    DetectionConfig.objects.update(is_active=False)
    assert "activate one" in send(lead, address, {"hop_size": 2}).json()["detail"]
