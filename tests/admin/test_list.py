"""The list at any size: pages by keyset, episodes, counts beside the filter, months and days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.admin import AnomalyAdmin
from anomalies.admin.list import changelist
from anomalies.admin.ui.formatting import capped
from anomalies.models import Anomaly
from anomalies.queries.bounded import counts as bounded_counts
from tests.support.factories import NOON, anomaly_values, make_anomaly
from tests.support.forms import LIST, carried

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def short(monkeypatch):
    """Pages of three lines, out of at most six anomalies."""
    monkeypatch.setattr("anomalies.admin.anomaly.AnomalyAdmin.list_per_page", 3)
    monkeypatch.setattr("anomalies.admin.anomaly.AnomalyAdmin.list_max_show_all", 6)


def get(desk: Client, query: str = "") -> Any:
    return desk.get(f"{LIST}{query}").context["cl"]


def places(cl: Any) -> dict[str, str]:
    return {words: link for words, link in cl.places if link}


def walked(desk: Client, query: str, way: str) -> list[list[Any]]:
    """The ids of each page from this one on, page by page."""
    found = []
    while True:
        cl = get(desk, query)
        found.append([row.pk for row in cl.result_list])
        if way not in places(cl):
            return found
        query = places(cl)[way]


def apart(count: int, **values: Any) -> list[Anomaly]:
    """Anomalies an hour from each other, the newest first; two of them at the same time."""
    made = [
        make_anomaly(timestamp=NOON - HOUR * max(n, 1), ncd_score=0.5 + n % 2 / 10, **values)
        for n in range(count)
    ]
    return sorted(made, key=lambda each: (each.timestamp, each.pk), reverse=True)


# --- pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order", ["", "&o=2", "&o=1", "&o=-1", "&o=3", "&o=4", "&o=-4", "&o=5", "&o=-5.4", "&o=4.2"]
)
def test_the_pages_after_each_other_hold_every_row_once(desk, short, order):
    made = apart(8)
    found = walked(desk, f"?single=1{order}", "Next")
    assert [len(page) for page in found] == [3, 3, 2]
    assert sorted(pk for page in found for pk in page) == sorted(each.pk for each in made)


@pytest.mark.parametrize("order", ["", "&o=-2", "&o=-1", "&o=4", "&o=-5"])
def test_the_way_back_from_the_last_page_is_the_way_there(desk, short, order):
    apart(9)
    forward = walked(desk, f"?single=1{order}", "Next")
    last = places(get(desk, f"?single=1{order}"))["Last"]
    assert walked(desk, last, "Previous")[::-1] == forward


def test_a_filter_goes_along_from_page_to_page(desk, short):
    wanted = apart(5, stream_type="llm")
    apart(5)
    found = walked(desk, "?stream=llm", "Next")
    assert [pk for page in found for pk in page] == [each.pk for each in wanted]


def test_what_arrives_while_paging_moves_no_page(desk, short):
    old = apart(5)
    following = places(get(desk, "?single=1"))["Next"]
    make_anomaly(timestamp=NOON + HOUR)
    assert [row.pk for row in get(desk, following).result_list] == [each.pk for each in old[3:]]


def test_a_page_of_a_row_that_is_gone_still_has_its_place(desk, short):
    made = apart(5)
    following = places(get(desk, "?single=1"))["Next"]
    Anomaly.objects.filter(pk=made[2].pk).delete()
    assert [row.pk for row in get(desk, following).result_list] == [each.pk for each in made[3:]]


def test_another_order_begins_at_its_first_page(desk, short):
    apart(5)
    cl = get(desk, places(get(desk, "?single=1"))["Next"])
    assert "after" not in cl.get_query_string({"o": "4"})


@pytest.mark.parametrize(
    "place",
    [
        "x", "1,2", "2026-01-01T00:00:00Z,x", ",", "now,5e0",
        "2026-01-01,00000000-0000-0000-0000-000000000000",
        "2026-01-01T00:00:00,00000000-0000-0000-0000-000000000000", "\0,\0", "nan,nan", "9" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["after", "before"])
def test_an_invalid_place_shows_nothing_and_says_so(desk, name, place):
    make_anomaly()
    response = desk.get(f"{LIST}?{urlencode({name: place})}")
    assert response.status_code == 200
    assert response.context["cl"].result_list == []
    assert "Invalid position in the list" in response.content.decode()


def test_a_page_can_be_asked_for_by_its_number_as_in_any_admin(desk, short):
    made = apart(8)
    assert [row.pk for row in get(desk, "?p=2").result_list] == [each.pk for each in made[3:6]]


def test_the_rows_of_a_page_are_found_by_the_index_of_the_order(desk, django_assert_max_num_queries):
    apart(3)
    with django_assert_max_num_queries(6):
        get(desk)


def test_a_page_of_long_incidents_takes_an_analyst_no_more_queries(client, analyst, short):
    """Its anomalies are read twice: those of three rows are more than six."""
    for n in range(12):
        beat(n)
    client.force_login(analyst)
    with CaptureQueriesContext(connection) as queries:
        found = get(client).result_list
    assert len(found) == 6
    assert len(queries) <= 6


def reads(desk: Client, query: str) -> list[str]:
    """The number of rows requested by each statement that read a page."""
    with CaptureQueriesContext(connection) as queries:
        get(desk, query)
    asked = [each["sql"] for each in queries if each["sql"].startswith('SELECT "anomalies"."id"')]
    return [sql.rpartition("LIMIT ")[2].split()[0] for sql in asked]


@pytest.mark.parametrize("query", ["", "?end=1"])
def test_of_anomalies_that_lie_apart_no_more_is_read_than_a_page(desk, short, query):
    for n in range(12):
        beat(3600 * n)
    assert reads(desk, query) == ["5"]  # a page of three, one beyond, and whether there is more


@pytest.mark.parametrize("query", ["", "?end=1"])
def test_where_the_next_one_may_belong_to_the_page_it_is_read_on(desk, short, query):
    for n in range(12):
        beat(10 * n, metadata={"host": f"db{n}"})
    assert len(reads(desk, query)) == 2


# --- incidents -------------------------------------------------------------------------------------------


def beat(seconds: int, **values: Any) -> Anomaly:
    return make_anomaly(timestamp=NOON + timedelta(seconds=seconds), **values)


def rows(cl: Any) -> list[list[Any]]:
    """The ids of each row."""
    return [
        [each.pk for each in row.incident.members] if hasattr(row, "incident") else [row.pk]
        for row in cl.rows
    ]


def test_anomalies_of_one_stream_that_touch_are_one_row(desk):
    first, second, alone = beat(0), beat(10), beat(21)
    assert rows(get(desk)) == [[alone.pk], [second.pk, first.pk]]


def test_an_incident_within_a_second_has_one_time(desk):
    beat(0)
    make_anomaly(timestamp=NOON + timedelta(milliseconds=400))
    [row] = get(desk).rows
    assert row.when.count("<time") == 1
    assert "2 anomalies in less than 1 s" in row.headline


def test_the_distance_that_touches_is_a_setting(desk, settings):
    settings.EPISODE_GAP = 300
    first, second, third = beat(0), beat(300), beat(601)
    assert rows(get(desk)) == [[third.pk], [second.pk, first.pk]]


@pytest.mark.parametrize(
    "other",
    [{"stream_type": "llm"}, {"metadata": {"host": "db2"}}, {"metadata": {"service": "x", "host": "db1"}}],
)
def test_another_stream_host_or_service_is_another_incident(desk, other):
    one, two, three = beat(0, metadata={"host": "db1"}), beat(1, **other), beat(2, metadata={"host": "db1"})
    assert rows(get(desk)) == [[three.pk, one.pk], [two.pk]]


def test_a_row_shows_the_peak_the_lowest_p_and_the_span(desk):
    beat(0, ncd_score=0.7, p_value=0.01, tags=["a"])
    beat(9, ncd_score=0.9, p_value=0.02, glass_box_explanation="the worst of it", tags=["b"])
    (row,) = get(desk).rows
    assert (row.ncd_score, row.p_value, row.tags) == (0.9, 0.01, ["b", "a"])
    content = desk.get(LIST).content.decode()
    assert "2 anomalies in 9 s" in content and "the worst of it" in content


def test_statuses_that_differ_are_counted(desk):
    beat(0), beat(1), beat(2, status="dismissed")
    assert "2 pending" in get(desk).rows[0].states and "1 dismissed" in get(desk).rows[0].states


def test_a_switch_shows_single_rows(desk):
    beat(0), beat(1)
    assert len(get(desk, "?single=1").rows) == 2


def test_another_order_than_that_of_time_shows_single_rows(desk):
    beat(0), beat(1)
    assert len(get(desk, "?o=-4").rows) == 2


def test_an_incident_is_selected_and_decided_as_one(desk):
    beat(0), beat(1), beat(9999)
    page = desk.get(LIST)
    (incident,) = [row for row in page.context["cl"].rows if "," in str(row.pk)]
    form = {**carried(page), "action": "acknowledge", "index": "0", "_selected_action": [incident.pk]}
    desk.post(LIST, form)
    assert sorted(Anomaly.objects.values_list("status", flat=True)) == [
        "acknowledged",
        "acknowledged",
        "pending",
    ]


def test_what_changed_in_an_incident_since_it_was_shown_is_skipped(desk):
    first, _ = beat(0), beat(1)
    page = desk.get(LIST)
    form = {
        **carried(page),
        "action": "acknowledge",
        "index": "0",
        "_selected_action": [page.context["cl"].rows[0].pk],
    }
    Anomaly.objects.filter(pk=first.pk).update(notes="changed")
    desk.post(LIST, form)
    assert sorted(Anomaly.objects.values_list("status", flat=True)) == ["acknowledged", "pending"]


def test_a_page_ends_before_the_row_that_is_too_many(desk, short):
    made = [beat(-n * 1000) for n in range(4)]
    made.insert(1, beat(-1))
    cl = get(desk)
    assert rows(cl) == [[made[0].pk, made[1].pk], [made[2].pk], [made[3].pk]]
    assert rows(get(desk, places(cl)["Next"])) == [[made[4].pk]]


def test_an_incident_longer_than_a_page_says_that_it_continues(desk, short):
    for n in range(9):
        beat(n)
    first = desk.get(LIST)
    assert "6 anomalies in 5 s; continues on the next page" in first.content.decode()
    second = desk.get(LIST + places(first.context["cl"])["Next"])
    assert "3 anomalies in 2 s; begins on the previous page" in second.content.decode()


def test_the_pages_of_incidents_hold_every_row_once_both_ways(desk, short):
    for n in range(20):
        beat(n * 200 if n % 5 else n * 3000, stream_type="llm" if n % 3 else "logs")
    there = walked(desk, "", "Next")
    back = walked(desk, places(get(desk))["Last"], "Previous")
    everything = sorted(Anomaly.objects.values_list("pk", flat=True))
    assert sorted(pk for page in there for pk in page) == everything
    assert sorted(pk for page in back for pk in page) == everything


# --- beside the list --------------------------------------------------------------------------------------


def counts(cl: Any, name: str) -> dict[str, str]:
    return {
        box.data["value"]: count
        for field, boxes, _ in cl.filter_fields
        if field.name == name
        for box, count in boxes
    }


def test_each_status_and_stream_says_how_many_there_would_be(desk):
    beat(0), beat(1, status="dismissed"), beat(2, stream_type="llm")
    cl = get(desk, "?status=dismissed")
    assert counts(cl, "status") == {
        "pending": "2",
        "acknowledged": "0",
        "dismissed": "1",
        "investigating": "0",
    }
    assert counts(cl, "stream") == {"logs": "1", "metrics": "0", "traces": "0", "llm": "0"}


def test_counts_follow_the_other_filters(desk):
    beat(0, ncd_score=0.9), beat(1, ncd_score=0.1)
    assert counts(get(desk, "?ncd_min=0.5"), "status")["pending"] == "1"


def test_a_count_of_a_part_says_that_there_are_more(desk, monkeypatch):
    monkeypatch.setattr(bounded_counts, "COUNTED", 3)
    monkeypatch.setattr(AnomalyAdmin, "list_per_page", 2)  # a page that is not full has counted its list
    for n in range(5):
        beat(n)
    assert counts(get(desk, "?snoozed=no"), "status")["pending"] == "4+"


@pytest.mark.parametrize(
    "query", ["", "?status=pending", "?stream=logs&significant=true&since=2026-01-01T00:00:00"]
)
def test_what_the_roll_up_knows_is_counted_exactly_at_any_size(desk, monkeypatch, query):
    monkeypatch.setattr(bounded_counts, "COUNTED", 3)
    for n in range(5):
        beat(n)
    assert counts(get(desk, query), "status")["pending"] == "5"


def test_while_the_roll_up_is_built_nothing_is_said_of_how_many(desk):
    beat(0)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO anomaly_hour_deltas (stream_type, status, significant, total, ncd_sum, p_sum)"
            " VALUES ('logs', 'pending', false, 0, 0, 0)"
        )
    assert set(counts(get(desk), "status").values()) == {""}


def test_months_that_hold_anomalies_are_links_newest_first(desk):
    for month in (3, 3, 7):
        make_anomaly(timestamp=datetime(2026, month, 31, 23, 59, 59, tzinfo=UTC))
    make_anomaly(timestamp=datetime(2025, 12, 1, tzinfo=UTC))
    assert [words for words, _ in get(desk).calendar_links] == ["July 2026", "March 2026", "December 2025"]


def test_a_month_leads_to_its_days_and_a_day_back(desk):
    first = make_anomaly(timestamp=datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC))
    make_anomaly(timestamp=datetime(2026, 4, 1, tzinfo=UTC))
    month = get(desk, dict(get(desk).calendar_links)["March 2026"])
    assert [row.pk for row in month.result_list] == [first.pk]
    day = get(desk, dict(month.calendar_links)["31 March"])
    assert ([row.pk for row in day.result_list], day.calendar_back[0]) == ([first.pk], "March 2026")


def test_months_are_those_of_the_desks_zone(desk, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    make_anomaly(timestamp=datetime(2026, 3, 31, 20, tzinfo=UTC))
    assert [words for words, _ in get(desk).calendar_links] == ["April 2026"]


def test_the_audit_logs_filter_steps_from_resource_to_resource(desk):
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(2))
    with CaptureQueriesContext(connection) as queries:
        answer = desk.get("/admin/anomalies/auditlog/?resource_type=anomaly")
    assert len(answer.context["cl"].result_list) == 1
    assert b"?resource_type=anomaly" in answer.content
    assert not [each for each in queries if "DISTINCT" in each["sql"]]


def test_a_list_of_records_shows_a_capped_count_with_a_plus(desk, monkeypatch):
    monkeypatch.setattr(changelist, "COUNTED", 2)
    for _ in range(4):
        beat(0)
    assert "2+\naudit entries" in desk.get("/admin/anomalies/auditlog/").content.decode()


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (9_924, "9,924"), (10_000, "10,000"), (10_001, "10,000+")]
)
def test_a_count_has_commas_and_a_plus_above_the_cap(count, words):
    assert capped(count, 10_000) == words
