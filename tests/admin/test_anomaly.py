"""The desk over Django's test client: what it shows, to whom, and at what cost."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor, history
from anomalies.models import Anomaly, AuditLog, DetectionConfig, PerformanceMetric
from anomalies.queries.bounded import counts
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, anomaly_values, make_anomaly, make_user
from tests.support.forms import CONFIG, CONFIGS, LIST, messages_of, page_of, send, tick

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "analyst", "lead", "superuser")
DEEP = "[" * 1500 + "]" * 1500
HUGE = "9" * 5000


def a_client(role: str) -> Client:
    """The browser of a person of this role."""
    client = Client()
    person = User.objects.create_superuser(role) if role == "superuser" else make_user(role, f"the {role}")
    client.force_login(person)
    return client


@pytest.fixture
def desk() -> Client:
    """An analyst's browser."""
    return a_client("analyst")


def shown(client: Client, query: str = "") -> list[Anomaly]:
    return list(client.get(LIST + query).context["cl"].result_list)


def confirm(client: Client, page: Any, path: str = LIST, **typed: str) -> Any:
    """Send the page that asks before many are decided about."""
    return send(client, path, page, **{"reason": "other", "note": "", **typed})


def status_of(anomaly: Anomaly) -> str:
    return Anomaly.objects.values_list("status", flat=True).get(pk=anomaly.pk)


def arrived(column: str, value: str) -> Anomaly:
    """An anomaly that another program inserted, with JSON past Python's own limits."""
    values = {**anomaly_values(), "baseline_data": None, "window_data": None, "metadata": None, column: value}
    return Anomaly(pk=insert("anomalies", values))


def insert(table: str, values: dict[str, Any]) -> Any:
    """One row by raw SQL; its id."""
    places = ", ".join(["%s"] * len(values))
    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places}) RETURNING id"
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values.values()))
        return cursor.fetchone()[0]


def write(anomaly: Anomaly, column: str, value: str) -> None:
    """Put JSON into a column as another program would, past Python's own limits."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE anomalies SET {column} = %s::jsonb WHERE id = %s", [value, anomaly.pk])


# --- the list -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [10, 200])
def test_the_list_takes_no_more_than_6_queries_however_many_rows_there_are(desk, count):
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(count))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        desk.get(LIST)
    assert len(queries) <= 6


def test_the_list_leaves_the_wide_columns_in_the_database(desk):
    make_anomaly(detailed_explanation="long")
    with CaptureQueriesContext(connection) as queries:
        desk.get(LIST)
    sql = " ".join(query["sql"] for query in queries)
    assert "ncd_score" in sql
    assert not re.search("baseline_data|window_data|detailed_explanation", sql)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("status=dismissed&status=pending", {"status": "dismissed"}),
        ("stream=llm", {"stream_type": "llm"}),
        ("significant=true", {"is_statistically_significant": True}),
        ("within=24h", {"timestamp": NOON + timedelta(days=365 * 20)}),
        ("since=2027-01-01T00:00:00", {"timestamp": NOON + timedelta(days=365)}),
        ("until=2025-01-01T00:00:00", {"timestamp": NOON - timedelta(days=3650)}),
        ("ncd_min=0.9", {"ncd_score": 0.95}),
        ("ncd_max=0.1", {"ncd_score": 0.05}),
        ("p_min=0.9", {"p_value": 0.95}),
        ("p_max=0.001", {"p_value": 0.0}),
        ("tags_any=web,mail", {"tags": ["mail"]}),
        ("tags_all=db,eu", {"tags": ["eu", "db"]}),
        ("metadata=host%3Ddb2", {"metadata": {"host": "db2"}}),
        ("q=disk+full", {"glass_box_explanation": "the disk is full"}),
        ("q=rollout", {"notes": "a rollout"}),
    ],
)
def test_a_url_narrows_the_list(desk, query, values):
    other = {
        "status": "acknowledged",
        "is_statistically_significant": False,
        "timestamp": NOON - timedelta(400),
    }
    make_anomaly(**other)
    wanted = make_anomaly(**{**other, **values})
    assert [anomaly.pk for anomaly in shown(desk, f"?{query}")] == [wanted.pk]


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("status=new", "Status"),
        ("ncd_min=2", "NCD at least"),
        ("since=soon", "From"),
        ("metadata=x", "Metadata"),
    ],
)
def test_an_invalid_filter_shows_nothing_and_says_which(desk, query, label):
    make_anomaly()
    response = desk.get(f"{LIST}?{query}")
    assert list(response.context["cl"].result_list) == []
    assert f"Invalid filter values: {label}. Nothing is shown." in messages_of(response)


@pytest.mark.parametrize("query", ["colour=red", "status__exact=pending", "stream=logs&x=", "id__in=1"])
def test_an_unknown_parameter_shows_nothing_and_is_named(desk, query):
    make_anomaly()
    response = desk.get(f"{LIST}?{query}")
    assert list(response.context["cl"].result_list) == []
    assert "Unknown filter: " in messages_of(response)


def test_an_action_under_an_unknown_parameter_touches_nothing(desk):
    anomaly = make_anomaly()
    desk.post(f"{LIST}?colour=red", {"action": "acknowledge", "_selected_action": str(anomaly.pk)})
    assert status_of(anomaly) == "pending"


def test_more_rows_than_are_counted_are_shown_with_a_plus(desk, monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 3)
    for _ in range(5):
        make_anomaly()
    assert b"5+\nanomalies" in desk.get(LIST).content


def test_as_many_rows_as_are_counted_are_shown_exactly(desk, monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 3)
    for _ in range(3):
        make_anomaly()
    assert b"3\nanomalies" in desk.get(LIST).content


@pytest.mark.parametrize(
    ("number", "field"),
    [(1, "status"), (2, "timestamp"), (3, "stream_type"), (4, "ncd_score"), (5, "p_value")],
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_column_sorts_the_list(desk, number, field, sign):
    make_anomaly(status="dismissed", stream_type="llm", ncd_score=0.1, p_value=0.9)
    make_anomaly(status="pending", stream_type="traces", ncd_score=0.2, p_value=0.1, timestamp=timezone.now())
    values = [getattr(anomaly, field) for anomaly in shown(desk, f"?o={sign}{number}")]
    assert values == sorted(values, reverse=bool(sign))


def test_the_newest_comes_first(desk):
    old, new = make_anomaly(timestamp=NOON - timedelta(1)), make_anomaly()
    assert [anomaly.pk for anomaly in shown(desk)] == [new.pk, old.pk]


def test_pages_of_rows_of_one_time_never_overlap(desk):
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(120))
    pages = [shown(desk, f"?p={number}") for number in (1, 2, 3)]
    assert len({anomaly.pk for page in pages for anomaly in page}) == 120


@pytest.mark.parametrize(
    "values", [{"tags": None}, {"tags": []}, {"novelty": None, "compression_ratio_change": None}]
)
def test_an_anomaly_without_its_optional_values_is_listed_and_shown(desk, values):
    anomaly = make_anomaly(**values)
    assert len(shown(desk)) == 1
    assert desk.get(page_of(anomaly)).status_code == 200


# --- the page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("object_id", ["nonsense", uuid4(), "0", "_5F"])
def test_a_page_of_no_anomaly_leads_to_the_list_and_says_so(desk, object_id):
    response = desk.get(f"{LIST}{object_id}/change/")
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert "There is no anomaly" in messages_of(response)


@pytest.mark.parametrize("column", ["baseline_data", "window_data", "metadata"])
@pytest.mark.parametrize("value", [DEEP, HUGE, f'{{"text": {HUGE}}}', f'[{{"a": {DEEP}}}]'])
def test_json_that_python_cannot_hold_breaks_neither_list_nor_page(desk, column, value):
    anomaly = make_anomaly()
    write(anomaly, column, value)  # an INSERT of it is refused; a row from before that rule is not
    assert len(shown(desk)) == 1
    assert desk.get(page_of(anomaly)).status_code == 200


@pytest.mark.parametrize("value", [DEEP, HUGE])
def test_json_that_python_cannot_hold_in_the_record_does_not_break_the_page(desk, value):
    anomaly = make_anomaly()
    write(anomaly, "window_data", value)
    assert desk.get(page_of(anomaly)).status_code == 200


@pytest.mark.parametrize("column", ["baseline_data", "window_data", "metadata"])
@pytest.mark.parametrize(
    "value", ['"text"', "[1, [2]]", "null", "true", "0", "{}", '{"thresholds": 7}', '{"events": 7}']
)
def test_json_of_any_shape_is_shown(desk, column, value):
    assert desk.get(page_of(arrived(column, value))).status_code == 200


def test_a_megabyte_of_explanation_is_cut_on_the_page_and_in_the_list(desk):
    anomaly = make_anomaly(glass_box_explanation="x" * 1_000_000, detailed_explanation="y" * 1_000_000)
    page = desk.get(page_of(anomaly)).content
    assert b"[1,000,000 characters]" in page
    assert max(len(page), len(desk.get(LIST).content)) < 100_000


def test_the_numbers_are_compared_with_the_thresholds_that_the_detector_stored(desk):
    anomaly = make_anomaly(metadata={"thresholds": {"ncd_threshold": 0.33}, "config_id": 7})
    page = desk.get(page_of(anomaly)).content.decode()
    assert "≥ 0.33" in page
    assert "Compared with the detector&#x27;s thresholds, config 7." in page


def test_without_them_the_numbers_are_compared_with_the_active_thresholds(desk):
    config = DetectionConfig.objects.get(is_active=True)
    page = desk.get(page_of(make_anomaly())).content.decode()
    assert f"Compared with the active thresholds, {config}." in page


def test_without_an_active_config_the_page_says_so(desk):
    DetectionConfig.objects.update(is_active=False)
    assert b"No detection config is active" in desk.get(page_of(make_anomaly())).content


# --- decisions ------------------------------------------------------------------------------------------


def test_a_decision_has_the_analysts_name_and_address(desk):
    anomaly = make_anomaly()
    desk.defaults["REMOTE_ADDR"] = "10.9.8.7"
    send(desk, page_of(anomaly), action="acknowledge", note="real")
    entry = history(anomaly.pk)[0]
    assert (entry.username, entry.address, entry.note) == ("the analyst", "10.9.8.7", "real")


def test_the_second_of_two_analysts_is_shown_what_the_first_one_did(desk):
    anomaly = make_anomaly()
    decide("dismiss", [anomaly.pk], Actor("bob"), reason="duplicate")
    said = messages_of(send(desk, page_of(anomaly), action="acknowledge"))
    assert re.search(r"Not acknowledged: .* – it is dismissed by bob since 20.* UTC; reopen it first", said)
    assert status_of(anomaly) == "dismissed"


def test_refused_rows_of_a_bulk_are_reported_with_who_and_when(desk):
    done, pending = make_anomaly(), make_anomaly()
    decide("acknowledge", [done.pk], Actor("bob"))
    said = messages_of(tick(desk, "acknowledge", done, pending))
    assert "1 anomaly acknowledged." in said
    assert f"Not acknowledged: {str(done.pk)[:8]}… – it is acknowledged by bob since 20" in said


def test_of_many_refused_rows_five_are_named_and_the_rest_counted(desk):
    said = messages_of(tick(desk, "reopen", *[make_anomaly() for _ in range(8)]))
    assert said.count("it is pending already") == 5
    assert "3 more" in said


@pytest.mark.parametrize("action", ["acknowledge", "dismiss", "investigate", "reopen"])
def test_a_selection_of_no_uuid_gives_a_message(desk, action):
    response = tick(desk, action, "nonsense")
    assert response.status_code == 302
    assert "invalid id" in messages_of(response)


def test_a_selection_of_an_anomaly_that_is_none_decides_nothing(desk):
    assert tick(desk, "acknowledge", uuid4()).status_code == 302


@pytest.mark.parametrize("action", ["delete_selected", "nonsense", ""])
def test_an_action_that_is_not_offered_does_nothing(desk, action):
    anomaly = make_anomaly()
    tick(desk, action, anomaly)
    assert status_of(anomaly) == "pending"


@pytest.mark.parametrize("action", ["nonsense", "", "delete"])
def test_a_decision_that_there_is_not_is_refused_in_words(desk, action):
    response = send(desk, page_of(make_anomaly()), action=action)
    assert b"There is no decision" in response.content


@pytest.mark.parametrize("note", ["a\0b", "x" * 10_001])
def test_a_note_that_cannot_be_kept_is_refused_in_words(desk, note):
    anomaly = make_anomaly()
    response = send(desk, page_of(anomaly), action="acknowledge", note=note)
    assert b"errorlist" in response.content
    assert status_of(anomaly) == "pending"


@pytest.mark.parametrize("forged", [{"reason": ""}, {"reason": "boredom"}, {"note": "a\0b"}])
def test_a_confirmation_with_something_missing_asks_again(desk, forged):
    anomaly = make_anomaly()
    assert confirm(desk, tick(desk, "dismiss", anomaly), **forged).status_code == 200
    assert status_of(anomaly) == "pending"


def test_all_that_match_is_only_what_the_filter_shows(desk):
    wanted, other = make_anomaly(tags=["db"]), make_anomaly(tags=["web"])
    path = f"{LIST}?tags_any=db"
    asked = send(
        desk, path, action="acknowledge", _selected_action=str(wanted.pk), index="0", select_across="1"
    )
    confirm(desk, asked, path)
    assert (status_of(wanted), status_of(other)) == ("acknowledged", "pending")


# --- records --------------------------------------------------------------------------------------------


OURS = (
    "anomaly",
    "recentsignificantanomaly",
    "streamstatistics",
    "performancemetric",
    "auditlog",
    "detectionconfig",
)


@pytest.mark.parametrize("table", OURS)
def test_a_list_of_records_costs_the_same_for_one_row_and_for_many(desk, table):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"/admin/anomalies/{table}/")
        return len(queries)

    def more() -> None:
        make_anomaly()
        PerformanceMetric.objects.create(metric_type="job", duration_ms=1)
        DetectionConfig.objects.create()

    more()
    few = cost()
    for _ in range(20):
        more()
    assert cost() == few <= 8


def test_an_audit_entry_shows_before_and_after(desk):
    anomaly = make_anomaly()
    decide("dismiss", [anomaly.pk], Actor("bob", "10.0.0.7"), reason="duplicate")
    entry = AuditLog.objects.latest("id")
    page = desk.get(f"/admin/anomalies/auditlog/{entry.pk}/change/").content.decode()
    assert "&quot;status&quot;: &quot;pending&quot;" in page
    assert "&quot;dismissal_reason&quot;: &quot;duplicate&quot;" in page
    assert "10.0.0.7" in page


def test_a_row_of_the_recent_leads_to_the_anomaly(desk):
    anomaly = make_anomaly()
    assert page_of(anomaly) in desk.get("/admin/anomalies/recentsignificantanomaly/").content.decode()


@pytest.mark.parametrize("value", [DEEP, HUGE, '"text"', "[1]", "null"])
@pytest.mark.parametrize("column", ["old_values", "new_values", "metadata"])
def test_an_audit_entry_with_json_of_any_kind_is_listed_and_shown(desk, column, value):
    values = {"username": "bob", "action": "update", "resource_type": "anomaly", column: value}
    key = insert("audit_log", values)
    assert desk.get("/admin/anomalies/auditlog/").status_code == 200
    assert desk.get(f"/admin/anomalies/auditlog/{key}/change/").status_code == 200


@pytest.mark.parametrize("value", [DEEP, HUGE, '"text"', "[1]", "null"])
def test_a_metric_with_json_of_any_kind_is_listed_and_shown(desk, value):
    key = insert("performance_metrics", {"metric_type": "job", "duration_ms": 1, "metadata": value})
    assert desk.get("/admin/anomalies/performancemetric/").status_code == 200
    assert desk.get(f"/admin/anomalies/performancemetric/{key}/change/").status_code == 200


# --- configs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ('{"sounds": {}}', "is not a stream"),
        ('{"logs": 7}', "must be an object"),
        ('{"logs": {"ncd_threshold": 2}}', "must be a number from 0 to 1"),
        ('{"logs": {"window_size": 0}}', "must be a whole number from 1"),
        ('{"logs": {"volume": 1}}', "is not a threshold"),
        ("[]", "must be an object"),
        ("{", "Enter a valid JSON"),
        (DEEP, "Please correct the error"),  # how deep Python can parse differs between its versions
        (HUGE, "Enter a valid JSON"),
    ],
)
def test_overrides_that_make_no_sense_are_refused_in_words(overrides, said):
    response = a_client("lead").post(f"{CONFIGS}add/", {**CONFIG, "stream_overrides": overrides})
    assert said in response.content.decode()
    assert DetectionConfig.objects.count() == 1


@pytest.mark.parametrize("field", ["ncd_threshold", "p_value_threshold"])
@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "inf"])
def test_a_threshold_beyond_0_to_1_is_refused_in_words(field, value):
    response = a_client("lead").post(f"{CONFIGS}add/", {**CONFIG, field: value})
    assert response.status_code == 200
    assert DetectionConfig.objects.count() == 1


@pytest.mark.parametrize("value", ["0", "-1", "2147483648", "1.5"])
def test_a_size_that_is_no_size_is_refused_in_words(value):
    response = a_client("lead").post(f"{CONFIGS}add/", {**CONFIG, "window_size": value})
    assert response.status_code == 200
    assert DetectionConfig.objects.count() == 1


def test_a_new_config_has_the_leads_name_and_is_not_active():
    a_client("lead").post(f"{CONFIGS}add/", CONFIG)
    config = DetectionConfig.objects.latest("id")
    assert (config.created_by, config.is_active, config.ncd_threshold) == ("the lead", False, 0.6)


def test_a_saved_config_is_recorded_under_the_leads_name_and_address():
    config = DetectionConfig.objects.create()
    values = {**CONFIG, "ncd_threshold": "0.77"}
    lead = a_client("lead")
    lead.defaults["REMOTE_ADDR"] = "10.9.8.7"
    send(lead, f"{CONFIGS}{config.pk}/change/", **values)
    entry = AuditLog.objects.filter(resource_type="detection_config").latest("id")
    assert (entry.username, entry.ip_address, entry.action) == ("the lead", "10.9.8.7", "update")
    assert entry.new_values["ncd_threshold"] == 0.77


def test_a_change_of_the_active_config_is_a_new_config_and_the_active_one():
    former = DetectionConfig.objects.get()
    send(a_client("lead"), f"{CONFIGS}{former.pk}/change/", **{**CONFIG, "ncd_threshold": "0.77"})
    former.refresh_from_db()
    new = DetectionConfig.objects.get(is_active=True)
    assert (former.ncd_threshold, former.is_active) == (0.5, False)
    assert (new.ncd_threshold, new.created_by) == (0.77, "the lead")


def test_a_change_of_a_config_that_anomalies_name_is_a_new_config():
    used = DetectionConfig.objects.create()
    make_anomaly(metadata={"config_id": used.pk})
    send(a_client("lead"), f"{CONFIGS}{used.pk}/change/", **{**CONFIG, "window_size": "25"})
    used.refresh_from_db()
    assert used.window_size == 10
    assert DetectionConfig.objects.latest("id").window_size == 25


def test_the_notes_of_a_config_in_use_are_changed_in_place():
    config = DetectionConfig.objects.get()
    values = {name: str(getattr(config, name)) for name in CONFIG if hasattr(config, name)}
    sent = {**values, "stream_overrides": "{}", "notes": "as agreed"}
    send(a_client("lead"), f"{CONFIGS}{config.pk}/change/", **sent)
    assert DetectionConfig.objects.get().notes == "as agreed"


def test_a_config_saved_unchanged_records_nothing():
    config = DetectionConfig.objects.get()
    lead, before = a_client("lead"), AuditLog.objects.count()
    values = {**CONFIG, "ncd_threshold": config.ncd_threshold}
    assert send(lead, f"{CONFIGS}{config.pk}/change/", **values).status_code == 302
    assert AuditLog.objects.count() == before


@pytest.mark.parametrize("way", ["add", "change", "action"])
def test_an_activation_leaves_exactly_one_config_active(way):
    lead, config = a_client("lead"), DetectionConfig.objects.create()
    if way == "action":
        send(lead, CONFIGS, action="make_active", _selected_action=config.pk, index="0")
    else:
        path = f"{CONFIGS}add/" if way == "add" else f"{CONFIGS}{config.pk}/change/"
        send(lead, path, **CONFIG, _activate="Save and make active")
    assert DetectionConfig.objects.get(is_active=True) == DetectionConfig.objects.latest("id")


def test_an_activation_is_recorded_under_the_leads_name():
    config = DetectionConfig.objects.create()
    send(a_client("lead"), CONFIGS, action="make_active", _selected_action=config.pk, index="0")
    said = (
        AuditLog.objects.filter(username="the lead", resource_type="detection_config")
        .values_list("action", flat=True)
        .order_by("id")
    )
    assert list(said) == ["deactivate", "activate"]


def test_two_ticked_configs_activate_none():
    one, other = DetectionConfig.objects.create(), DetectionConfig.objects.create()
    ticked = {"action": "make_active", "_selected_action": [one.pk, other.pk], "index": "0"}
    assert "only one can be active" in messages_of(a_client("lead").post(CONFIGS, ticked))
    assert DetectionConfig.objects.get(is_active=True).pk not in (one.pk, other.pk)


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_an_activation_forged_without_the_right_to_it_changes_nothing(role):
    config = DetectionConfig.objects.create()
    a_client(role).post(CONFIGS, {"action": "make_active", "_selected_action": config.pk, "index": "0"})
    assert DetectionConfig.objects.get(is_active=True) != config


@pytest.mark.parametrize("role", ROLES)
def test_nobody_deletes_a_config(role):
    config = DetectionConfig.objects.get()
    assert a_client(role).post(f"{CONFIGS}{config.pk}/delete/", {"post": "yes"}).status_code == 403
