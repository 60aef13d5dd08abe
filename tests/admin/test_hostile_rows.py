"""Rows that others wrote with JSON and tags beyond the limits: a placeholder each, and nothing stops."""

from __future__ import annotations

import html
import io
import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client

from anomalies.audit import Actor, history
from anomalies.json_column import OF_EACH_ROW, Unreadable
from anomalies.models import Anomaly, AuditLog, DetectionConfig, NotificationDelivery, PerformanceMetric
from anomalies.notifications.rules import NewNotification, make
from anomalies.thresholds import ThresholdsError, activate, active_config, thresholds_for
from tests.support.factories import anomaly_values, make_anomaly, make_user, other_program
from tests.support.forms import send

pytestmark = pytest.mark.django_db

HOSTILE = {
    "1,500 arrays": "[" * 1500 + "]" * 1500,
    "1,500 objects": '{"a":' * 1500 + "1" + "}" * 1500,
    "5,000 digits": "9" * 5000,
    "5,000 digits inside": '{"config_id": ' + "9" * 5000 + "}",
    "no double": "1" * 400 + ".5",
    "65 levels": "[" * 65 + "]" * 65,
}
OURS = [Anomaly, AuditLog, PerformanceMetric, DetectionConfig, NotificationDelivery]
WHOLE = {
    Anomaly: {**anomaly_values(), "version": 2},  # as rows that are older than the CHECKs
    AuditLog: {"username": "bob", "action": "update", "resource_type": "anomaly"},
    PerformanceMetric: {"metric_type": "detection", "duration_ms": 1},
    DetectionConfig: {"version": 2},
    NotificationDelivery: {"due_at": "2026-11-28"},
}
each_value = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def insert(model: type[models.Model], **over: Any) -> Any:
    """One row by SQL, as another program writes it; its id."""
    values = {**WHOLE[model], **over}
    if model is NotificationDelivery:
        new = NewNotification("ours", "every_match", "webhook", "https://hooks.example.org/x")
        values["rule_id"] = make(new, Actor("lena"))[0].pk
    values = {
        k: json.dumps(v) if k in json_columns(model) and k not in over else v for k, v in values.items()
    }
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        statement = f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks}) RETURNING id"
        cursor.execute(statement, list(values.values()))
        return cursor.fetchone()[0]


def json_columns(model: type[models.Model]) -> list[str]:
    return [field.column for field in model._meta.fields if isinstance(field, models.JSONField)]


def set_overrides(text: str) -> None:
    """Write overrides into the active config, as another program would."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE detection_config SET stream_overrides = %s::jsonb WHERE is_active", [text])


@pytest.fixture
def desk() -> Client:
    """The browser of somebody who may see everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def client_of(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


# --- Pages ----------------------------------------------------------------------------------------------


def test_every_model_with_json_is_tried_here():
    registered = [model for model in admin.site._registry if model._meta.app_label == "anomalies"]
    assert {model for model in registered if json_columns(model)} == set(OURS)


@each_value
@pytest.mark.parametrize("model", OURS)
def test_every_list_and_every_page_goes_on(desk, model, text):
    key = insert(model, **dict.fromkeys(json_columns(model), text))
    for other in admin.site._registry:
        assert desk.get(f"/admin/{other._meta.app_label}/{other._meta.model_name}/").status_code == 200
    page = desk.get(f"/admin/anomalies/{model._meta.model_name}/{key}/change/", follow=True)
    assert page.status_code == 200
    without = (DetectionConfig, NotificationDelivery)  # whose pages show such a value otherwise
    assert "can&#x27;t be shown as JSON" in page.content.decode() or model in without


@each_value
@pytest.mark.parametrize("role", ["viewer", "analyst", "lead"])
def test_every_role_can_open_a_config_nobody_can_work_by(role, text):
    key = insert(DetectionConfig, stream_overrides=text)
    page = client_of(role).get(f"/admin/anomalies/detectionconfig/{key}/change/")
    shown = html.escape("can't be shown as JSON" if role != "lead" else text[:5])
    assert shown in page.content.decode()


@pytest.mark.parametrize("tags", ["{NULL}", "{{a,b},{c,NULL}}", "{}", '{"","<b>"}', "{" + "x," * 900 + "x}"])
def test_tags_of_any_shape_are_shown(desk, tags):
    key = insert(Anomaly, tags=tags)
    for page in ("anomaly/", f"anomaly/{key}/change/", "recentsignificantanomaly/"):
        assert desk.get(f"/admin/anomalies/{page}").status_code == 200


@pytest.mark.parametrize(
    "kept",
    [
        {"ncd_threshold": 10**3990, "p_value_threshold": -(10**3990), "config_id": 10**3990},
        {"ncd_threshold": [1], "p_value_threshold": {"a": 1}, "config_id": [[]]},
        {"ncd_threshold": True, "p_value_threshold": "0.05"},
    ],
)
def test_thresholds_of_any_kind_in_metadata_are_shown(desk, kept):
    anomaly = make_anomaly(metadata={"thresholds": kept, "config_id": kept.get("config_id")})
    assert desk.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").status_code == 200


@pytest.mark.parametrize(
    "event", [{"text": "x", "line": 10**3990, "bits": 10**3990, "odd": True}, {"text": "x"}]
)
def test_events_with_numbers_of_any_size_are_shown(desk, event):
    anomaly = make_anomaly(window_data=[event])
    assert desk.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").status_code == 200


@pytest.mark.parametrize("rows", ["9" * 4000, '"many"', "[[1]]", '{"a": 1}', "-1"])
def test_an_audit_entry_about_any_number_of_rows_is_listed(desk, rows):
    insert(AuditLog, metadata=f'{{"rows": {rows}, "id": {rows}}}', resource_type="x")
    assert desk.get("/admin/anomalies/auditlog/").status_code == 200


def test_a_list_reads_no_more_of_a_long_entry_than_it_can_show(desk):
    insert(AuditLog, new_values=json.dumps({"notes": "x" * 500_000}))
    rows = desk.get("/admin/anomalies/auditlog/").context["cl"].result_list
    assert max(len(row.new_values_text or "") for row in rows) == OF_EACH_ROW + 1


# --- The record -----------------------------------------------------------------------------------------


@each_value
def test_history_says_what_it_cant_read_and_goes_on(text):
    anomaly = make_anomaly()
    insert(AuditLog, resource_id=anomaly.pk, old_values=text, new_values=text, metadata=text)
    insert(AuditLog, resource_id=anomaly.pk, new_values='{"status": "acknowledged"}')
    last, first, _ = history(anomaly.pk)
    assert (last.new_status, first.action) == ("acknowledged", "update")
    assert "can't be shown as JSON" in first.changed_columns


@each_value
@pytest.mark.parametrize("column", ["metadata", "window_data"])
def test_an_anomaly_is_decided_and_noted_whatever_it_holds(desk, column, text):
    key = insert(Anomaly, **{column: text})
    send(desk, f"/admin/anomalies/anomaly/{key}/change/", action="acknowledge", note="seen")
    anomaly = Anomaly.objects.get(pk=key)
    assert (anomaly.status, anomaly.notes) == ("acknowledged", "seen")


# --- Loading and saving ---------------------------------------------------------------------------------


@each_value
def test_a_row_that_is_loaded_and_saved_keeps_what_it_held(text):
    anomaly = Anomaly.objects.get(pk=insert(Anomaly, metadata=text))
    assert isinstance(anomaly.metadata, Unreadable)
    anomaly.notes = "saved"
    with other_program():
        anomaly.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT metadata = %s::jsonb, notes FROM anomalies WHERE id = %s", [text, anomaly.pk])
        assert cursor.fetchone() == (True, "saved")


# --- Commands -------------------------------------------------------------------------------------------


@each_value
def test_stats_passes_over_a_metric_that_it_cant_read(text, capsys):
    make_anomaly()
    insert(PerformanceMetric, metadata=text)
    call_command("stats", format="json")
    assert json.loads(capsys.readouterr().out)[0]["total_anomalies"] == 1


RUN = {
    "run": "r",
    "stream_type": "logs",
    "windows_tested": 10,
    "windows_flagged": 1,
    "p_value_threshold": 0.05,
    "first_timestamp": "2026-11-23T12:00:00Z",
    "last_timestamp": "2026-11-23T12:00:00Z",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run", ["r"]),
        ("stream_type", {"a": 1}),
        ("windows_tested", "10"),
        ("windows_tested", 10**4000),
        ("windows_flagged", None),
        ("windows_flagged", -1),
        ("p_value_threshold", 10**4000),
        ("p_value_threshold", "0.05"),
        ("first_timestamp", 5),
        ("first_timestamp", "2026-13-45T99:00:00Z"),
        ("last_timestamp", "2026-11-23T12:00:00"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_stats_passes_over_a_metric_of_another_form(key, value, capsys):
    insert(PerformanceMetric, metadata=json.dumps(RUN))
    insert(PerformanceMetric, metadata=json.dumps({**RUN, "run": "other", key: value}))
    call_command("stats", "--since", "2026-11-01T00:00:00Z", format="json")
    assert json.loads(capsys.readouterr().out)[0]["windows_tested"] == 10


@each_value
def test_detect_says_which_config_it_cant_work_by(text, tmp_path):
    set_overrides(text)
    log = tmp_path / "a.log"
    log.write_text("a\n" * 200)
    with pytest.raises(CommandError, match=rf"stream_overrides of config {active_config().pk}: "):
        call_command("detect", str(log), stderr=io.StringIO())
    assert not PerformanceMetric.objects.exists()


# --- Configs --------------------------------------------------------------------------------------------

FORM = {
    "ncd_threshold": "0.5",
    "p_value_threshold": "0.05",
    "baseline_size": "100",
    "window_size": "10",
    "hop_size": "1",
    "notes": "",
}


def change(client: Client, key: int, overrides: str, **fields: str) -> Any:
    page = f"/admin/anomalies/detectionconfig/{key}/change/"
    return send(client, page, **{**FORM, "stream_overrides": overrides, **fields})


@each_value
def test_no_thresholds_are_made_of_overrides_that_cant_be_read(text):
    set_overrides(text)
    with pytest.raises(ThresholdsError, match="stream_overrides of config"):
        thresholds_for(active_config(), "logs")


@each_value
def test_from_a_config_nobody_can_work_by_one_can_switch_to_another(text):
    set_overrides(text)
    other = DetectionConfig.objects.create()
    assert activate(other.pk, Actor("lea"))
    assert active_config().pk == other.pk


@each_value
def test_a_config_nobody_can_work_by_is_not_made_the_active_one(text):
    key = insert(DetectionConfig, stream_overrides=text)
    response = send(
        client_of("lead"), "/admin/anomalies/detectionconfig/", action="make_active", _selected_action=[key]
    )
    assert f"config {key} can't be active" in str(*get_messages(response.wsgi_request))
    assert active_config().pk != key


@each_value
def test_a_lead_corrects_a_config_or_is_shown_what_is_wrong_with_it(text):
    key, lead = insert(DetectionConfig, stream_overrides=text), client_of("lead")
    assert "Enter a valid JSON" in change(lead, key, text).content.decode()
    assert change(lead, key, '{"logs": {"ncd_threshold": 0.6}}').status_code == 302
    assert DetectionConfig.objects.get(pk=key).stream_overrides == {"logs": {"ncd_threshold": 0.6}}


def test_tags_beyond_the_limits_are_refused_before_anything_is_detected(tmp_path):
    with pytest.raises(CommandError, match="--tag: the tags hold one of 256 characters") as refused:
        call_command("detect", str(tmp_path / "none"), tags=["x" * 256])
    assert refused.value.returncode == 2


def test_a_host_that_is_no_text_is_kept_as_one_can_read_it(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("a\n")
    call_command("detect", str(log), host="caf\udce9", stderr=io.StringIO())


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01", "0001-01-01"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_time_that_python_cant_hold_is_shown_as_the_nearest_that_it_can(desk, settings, moment, zone):
    settings.TIME_ZONE = zone
    key = insert(Anomaly, timestamp=moment, created_at=moment, version=2)
    make_anomaly()
    pages = ("", f"{key}/change/", "queue/", "?incidents=no", "?o=-1", "?within=30d")
    for page in pages:
        answer = desk.get(f"/admin/anomalies/anomaly/{page}", follow=True)
        assert answer.status_code == 200, page
    assert ("9999" if moment in ("infinity", "20000-01-01") else "0001") in text_of(desk, key)


def text_of(desk: Client, key: Any) -> str:
    return desk.get(f"/admin/anomalies/anomaly/{key}/change/").content.decode()
