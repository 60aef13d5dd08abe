"""The thresholds that detectors use."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from anomalies.audit import Actor
from anomalies.models import AuditLog, DetectionConfig
from anomalies.thresholds import ThresholdsError, activate, active_config, thresholds_for

pytestmark = pytest.mark.django_db

LEAD = Actor("lea", "10.0.0.9")


def test_a_fresh_database_has_the_default_thresholds():
    thresholds = thresholds_for(active_config(), "logs")
    assert thresholds.as_dict() == {
        "ncd_threshold": 0.5,
        "p_value_threshold": 0.05,
        "baseline_size": 100,
        "window_size": 10,
        "hop_size": 1,
    }


def test_a_stream_override_replaces_what_it_names():
    config = DetectionConfig(window_size=20, stream_overrides={"logs": {"ncd_threshold": 0.7}})
    assert thresholds_for(config, "logs").ncd_threshold == 0.7
    assert thresholds_for(config, "logs").window_size == 20
    assert thresholds_for(config, "llm").ncd_threshold == 0.5


def test_without_an_active_config_the_error_says_what_to_do():
    DetectionConfig.objects.update(is_active=False)
    with pytest.raises(ThresholdsError, match="activate one in the admin"):
        active_config()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "must be an object"),
        ({"smoke": {}}, "'smoke' is not a stream"),
        ({"logs": 5}, "logs: must be an object"),
        ({"logs": {"ncd_threshold": 2}}, "logs.ncd_threshold: must be a number from 0 to 1"),
        ({"logs": {"ncd_threshold": True}}, "must be a number"),
        ({"logs": {"p_value_threshold": "0.1"}}, "must be a number"),
        ({"logs": {"window_size": 0}}, "must be a whole number from 1"),
        ({"logs": {"window_size": 1.5}}, "must be a whole number from 1"),
        ({"logs": {"speed": 1}}, "logs.speed: is not a threshold"),
    ],
)
def test_an_override_that_nothing_can_work_by_is_named(overrides, words):
    config = DetectionConfig(stream_overrides=overrides)
    with pytest.raises(ValidationError, match=words):
        config.full_clean()
    with pytest.raises(ThresholdsError, match=words):
        thresholds_for(config, "logs")


def test_activating_a_config_leaves_exactly_one_active():
    config = DetectionConfig.objects.create(ncd_threshold=0.8)
    assert activate(config.pk, LEAD)
    assert [active.pk for active in DetectionConfig.objects.filter(is_active=True)] == [config.pk]


def test_activating_the_active_config_changes_nothing():
    before = AuditLog.objects.count()
    assert not activate(active_config().pk, LEAD)
    assert AuditLog.objects.count() == before


def test_a_switch_is_recorded_for_both_configs():
    config = DetectionConfig.objects.create()
    activate(config.pk, LEAD)
    entries = AuditLog.objects.filter(username="lea").order_by("id")
    assert [entry.action for entry in entries] == ["deactivate", "activate"]


def test_a_config_that_is_not_there_cannot_be_activated():
    with pytest.raises(DetectionConfig.DoesNotExist):
        activate(10**6, LEAD)
