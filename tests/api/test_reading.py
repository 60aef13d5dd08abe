"""Reading by the HTTP API: lists by cursor and filter, one anomaly, evidence, history, figures, configs."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from anomalies.api.rows import json_value
from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries.filters import AnomalyFilter
from anomalies.triage.decisions import decide
from tests.api.programs import Program, program
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db
LIST = "/api/v1/anomalies"


@pytest.fixture
def reader(db) -> Program:
    return program("viewer", "read")


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["anomalies"]]


def problem(answer, status: int) -> dict:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    found = answer.json()
    assert (found["status"], found["type"]) == (status, "about:blank")
    return found


def test_a_list_is_newest_first_with_every_column_but_the_evidence(reader):
    rows = [make_anomaly(timestamp=NOON + timedelta(hours=hour)) for hour in range(3)]
    found = reader.get(LIST).json()
    assert [row["id"] for row in found["anomalies"]] == [str(row.pk) for row in reversed(rows)]
    assert found["next_cursor"] is None
    assert found["anomalies"][0]["metadata"] == {"host": "db1"}
    left_out = {field.column for field in Anomaly._meta.concrete_fields} - set(found["anomalies"][0])
    assert left_out == {"baseline_data", "window_data", "detailed_explanation", "search_document"}


@pytest.mark.parametrize(
    "order", ["-timestamp", "timestamp", "-ncd_score", "ncd_score", "p_value", "-p_value"]
)
def test_pages_by_cursor_are_the_list_in_any_order(reader, order):
    rows = [
        make_anomaly(ncd_score=n % 3 / 10, p_value=n % 2 / 10, timestamp=NOON + timedelta(n % 4))
        for n in range(9)
    ]
    whole, pages, cursor = ids(reader.get(LIST, {"order": order})), [], ""
    while cursor is not None:
        page = reader.get(LIST, {"order": order, "limit": 2, "cursor": cursor, "fields": "id,status"})
        pages += ids(page)
        cursor = page.json()["next_cursor"]
    assert pages == whole and set(whole) == {str(row.pk) for row in rows}


def test_fields_choose_the_columns(reader):
    make_anomaly()
    assert set(reader.get(LIST, {"fields": "status, tags"}).json()["anomalies"][0]) == {"status", "tags"}


FILTERS = {
    "q": "deadlock",
    "status": "pending",
    "stream": "logs",
    "significant": "true",
    "review": "false",
    "within": "30d",
    "since": "2026-11-01T00:00:00Z",
    "until": "2027-01-01T00:00:00+01:00",
    "ncd_min": "0.5",
    "ncd_max": "0.9",
    "p_min": "0",
    "p_max": "0.05",
    "tags_any": "db,web",
    "tags_all": "db",
    "tags_none": "mail",
    "metadata": '{"host": "db1"}',
    "assigned": "#payments",
    "team": "payments",
    "snoozed": "no",
}


def test_each_filter_of_the_desk_is_a_parameter_of_the_same_name(reader):
    metadata = {"host": "db1", "service": "pay", "config_id": 3}
    hour_ago = NOON.now(NOON.tzinfo) - timedelta(hours=1)
    kept = make_anomaly(timestamp=hour_ago, metadata=metadata, assigned_to="#payments")
    kept.refresh_from_db()
    own = {
        "pattern": str(kept.pattern),
        "source": kept.source,
        "host": "db1",
        "service": "pay",
        "config": "3",
    }
    filters = {**FILTERS, **own}
    assert {*filters, "dismissal_reason"} == set(AnomalyFilter.base_filters)
    for name, value in filters.items():
        assert ids(reader.get(LIST, {name: value})) == [str(kept.pk)], name
    assert ids(reader.get(LIST, filters)) == [str(kept.pk)]


def test_the_words_of_a_search_filter_as_parameters_do(reader):
    make_anomaly(status="dismissed", dismissal_reason="other")
    kept = make_anomaly(status="dismissed", dismissal_reason="duplicate", p_value=0.001)
    assert ids(reader.get(LIST, {"dismissal_reason": "duplicate"})) == [str(kept.pk)]
    assert ids(reader.get(LIST, {"q": "reason:duplicate p<0.01 deadlock"})) == [str(kept.pk)]


def test_a_word_with_an_invalid_value_is_refused_by_the_name_of_its_filter(reader):
    (error,) = problem(reader.get(LIST, {"q": "p<abc"}), 400)["errors"]
    assert error["field"] == "p_max"
    assert "In the search: p<abc." in error["message"]


def test_several_values_of_one_filter_are_joined_by_or(reader):
    make_anomaly(stream_type="llm")
    both = {str(make_anomaly(stream_type=stream).pk) for stream in ("logs", "traces")}
    assert set(ids(reader.get(LIST, {"stream": ["logs", "traces"]}))) == both


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"state": "pending"}, "state", "Did you mean status"),
        ({"ncd__gte": "0.5"}, "ncd__gte", "ncd_m"),
        ({"zzz": "1"}, "zzz", "There are "),
        ({"status": "open"}, "status", "pending, acknowledged"),
        ({"ncd_min": "2"}, "ncd_min", "0 to 1"),
        ({"since": "yesterday"}, "since", "2026-11-23T12:00:00Z"),
        ({"limit": "0"}, "limit", "greater than or equal to 1"),
        ({"limit": "many"}, "limit", "integer"),
        ({"order": "name"}, "order", "-timestamp"),
        ({"fields": "id,nmae"}, "fields", "no field nmae"),
        ({"cursor": "???"}, "cursor", "next_cursor"),
        ({"cursor": "MQ"}, "cursor", "next_cursor"),
        ({"q": "\0"}, "q", "Null characters"),
    ],
)
def test_what_is_wrong_with_an_address_is_named_with_what_mends_it(reader, query, field, words):
    found = problem(reader.get(LIST, query), 400)
    assert field in [each["field"] for each in found["errors"]]
    assert words in found["detail"]


@pytest.mark.parametrize(("assignee", "team"), [("#payments", "payments"), ("ana", None), (None, None)])
def test_an_anomaly_names_the_team_that_owns_it(reader, assignee, team):
    make_anomaly(assigned_to=assignee)
    (found,) = reader.get(LIST, {"fields": "owner_team"}).json()["anomalies"]
    assert found == {"owner_team": team}
    (found,) = reader.get(LIST).json()["anomalies"]
    assert (found["assigned_to"], found["owner_team"]) == (assignee, team)


def test_assigned_to_me_is_the_owner_of_the_token(reader):
    owner = reader.token.owner.username
    mine = make_anomaly(assigned_to=owner, assigned_by="x", assigned_at=NOON)
    make_anomaly()
    assert ids(reader.get(LIST, {"assigned": "me"})) == [str(mine.pk)]


@pytest.mark.parametrize("rows", [3, 30])
def test_a_list_takes_four_queries_and_the_next_call_two(reader, rows, django_assert_num_queries):
    for _ in range(rows):
        make_anomaly()
    with django_assert_num_queries(4):  # the token, its allowance, the time of its use, the page
        reader.get(LIST, {"status": "pending", "tags_any": "db"})
    with django_assert_num_queries(2):
        reader.get(LIST, {"status": "pending"})


# --- one anomaly ------------------------------------------------------------------------------------------


def test_one_anomaly_has_its_version_as_etag(reader):
    row = make_anomaly(detailed_explanation="long")
    answer = reader.get(f"{LIST}/{row.pk}")
    assert (answer["ETag"], answer.json()["version"]) == ('"1"', 1)
    assert answer.json()["detailed_explanation"] == "long"


def test_an_unchanged_anomaly_is_304(reader):
    row = make_anomaly()
    answer = reader.send("GET", f"{LIST}/{row.pk}", If_None_Match='"1"')
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", '"1"')


def test_head_is_answered_as_get(reader):
    row = make_anomaly()
    answer = reader.client.head(f"{LIST}/{row.pk}")
    assert (answer.status_code, answer["ETag"]) == (200, '"1"')


def test_a_number_that_json_has_not_is_a_text(reader):
    row = make_anomaly(compression_ratio_change=float("inf"))
    assert reader.get(f"{LIST}/{row.pk}").json()["compression_ratio_change"] == "Infinity"


def test_json_beyond_the_limits_is_a_sentence():
    assert json_value("[" * 2_000 + "]" * 2_000).startswith("(can't be shown as JSON")


@pytest.mark.parametrize("what", ["", "/evidence", "/history"])
def test_an_id_that_no_anomaly_has_is_404(reader, what):
    assert "There is no anomaly" in problem(reader.get(f"{LIST}/{uuid4()}{what}"), 404)["detail"]


def test_evidence_is_the_first_events_of_both_sides(reader):
    events = [{"text": "deadlock", "line": 7, "bits": 2.5, "odd": True}, {"text": "b"}, {"text": "c"}]
    row = make_anomaly(window_data=events, baseline_data=None)
    found = reader.get(f"{LIST}/{row.pk}/evidence", {"most": 2}).json()
    assert found["baseline"] == {"total": None, "events": []}
    assert found["window"]["total"] == 3
    assert found["window"]["events"][0] == {"text": "deadlock", "number": 7, "bits": 2.5, "odd": True}


def test_history_is_what_the_audit_log_says_newest_first(reader):
    row = make_anomaly()
    decide("dismiss", [row.pk], Actor("ana", "10.0.0.7"), reason="other", note="seen")
    newest, oldest = reader.get(f"{LIST}/{row.pk}/history").json()["entries"]
    assert (newest["action"], newest["username"], newest["reason"], newest["note"]) == (
        "dismiss",
        "ana",
        "other",
        "seen",
    )
    assert newest["changes"]["status"] == {"before": "pending", "after": "dismissed"}
    assert oldest["action"] == "create"


# --- the rest ---------------------------------------------------------------------------------------------


def test_stats_are_those_of_the_command_for_the_same_filter(reader):
    make_anomaly(stream_type="llm")
    decide("acknowledge", [make_anomaly(created_at=NOON).pk], Actor("ana"))
    (logs,) = reader.get("/api/v1/stats", {"stream": "logs"}).json()["streams"]
    assert (logs["stream_type"], logs["total_anomalies"], logs["acknowledged_count"]) == ("logs", 1, 1)
    assert logs["median_time_to_decision"] >= 0
    problem(reader.get("/api/v1/stats", {"limit": "1"}), 400)


def test_configs_are_listed_and_read(reader):
    (config,) = reader.get("/api/v1/configs").json()["configs"]
    answer = reader.get(f"/api/v1/configs/{config['id']}")
    assert (answer.json(), answer["ETag"]) == (config, '"1"')
    assert config["is_active"] and config["stream_overrides"] == {}
    problem(reader.get("/api/v1/configs/77"), 404)


@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing", f"{LIST}/7", "/v1/nothing"])
def test_any_other_address_is_a_problem(reader, path):
    problem(reader.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_method_that_an_address_does_not_take_is_405(reader, method):
    answer = reader.send(method, LIST)
    problem(answer, 405)
    assert answer["Allow"] == "GET"
