"""The card on an anomaly's page: its name everywhere, the odd line, the pattern, the proposal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import decide
from tests.support.factories import anomaly_values, make_anomaly
from tests.support.forms import messages_of, page_of, send

pytestmark = pytest.mark.django_db

ODD = {
    "glass_box_explanation": "“web <b>ERROR</b>: deadlo…” (line 2); nothing like it in the 2 events before.",
    "baseline_data": ["web LOG: checkpoint starting", "web LOG: checkpoint complete"],
    "window_data": [
        {"line": 1, "text": "web LOG: checkpoint starting", "bits": 1.0, "odd": False},
        {"line": 2, "text": "web <b>ERROR</b>: deadlock detected", "bits": 90.0, "odd": True},
    ],
    "metadata": {"file": "app.log", "odd_line": 2},
}
NAME = "web &lt;b&gt;ERROR&lt;/b&gt;: deadlock detected"


@pytest.fixture
def desk(client: Client, analyst) -> Client:
    client.force_login(analyst)
    return client


def page(client: Client, anomaly: Any, query: str = "") -> str:
    answer = client.get(page_of(anomaly) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_heading_title_and_breadcrumb_name_the_odd_line(desk):
    shown = page(desk, make_anomaly(**ODD))
    assert f'<h1 class="headline">{NAME}</h1>' in shown
    assert f"<title>{NAME} | " in shown
    assert f"&rsaquo; {NAME}\n" in shown
    assert "<strong>app.log</strong> · Logs · " in shown


def test_a_message_names_it_without_what_is_not_printable(desk):
    anomaly = make_anomaly(**ODD)
    answer = send(desk, page_of(anomaly), action="investigate", note="")
    assert messages_of(answer) == "1 anomaly taken into investigation. web <b>ERROR</b>: deadlock detected"
    answer = send(desk, page_of(anomaly), action="note", note="x", name="a\u202eb\n")
    assert messages_of(answer) == "Note added. ab"


def test_the_line_is_an_anchor_in_the_evidence_unless_a_search_hides_it(desk):
    anomaly = make_anomaly(**ODD)
    assert '<li id="odd" class="odd-line" data-line="2">' in page(desk, anomaly)
    assert 'href="#odd"' not in page(desk, anomaly, "?find=starting")


def test_words_that_differ_are_marked_by_more_than_colour(desk):
    shown = page(
        desk,
        make_anomaly(
            **{**ODD, "baseline_data": ["web LOG: deadlock detected", "web LOG: checkpoint starting"] * 5}
        ),
    )
    assert '<ins><span class="visually-hidden">new: </span>&lt;b&gt;ERROR&lt;/b&gt;:</ins>' in shown
    assert '<del><span class="visually-hidden">usual: </span>LOG:</del>' in shown


def dismissed(count: int) -> None:
    for _ in range(count):
        decide("dismiss", [make_anomaly(**ODD).pk], Actor("ana"), reason="known_harmless")


def test_what_all_decisions_agree_on_is_offered_and_taken_when_pressed_only(desk):
    dismissed(4)
    anomaly = make_anomaly(**ODD)
    shown = page(desk, anomaly)
    assert "4 of 4 like this were dismissed as known and harmless." in shown
    assert 'name="agree" value="dismiss known_harmless"' in shown
    assert Anomaly.objects.get(pk=anomaly.pk).status == "pending"
    send(desk, page_of(anomaly), agree="dismiss known_harmless", note="again")
    found = Anomaly.objects.get(pk=anomaly.pk)
    assert (found.status, found.dismissal_reason, found.notes) == ("dismissed", "known_harmless", "again")


@pytest.mark.parametrize("forged", ["dismiss", "dismiss boredom", "", "drop everything", "dismiss\0 other"])
def test_a_forged_agreement_changes_nothing(desk, forged):
    anomaly = make_anomaly(**ODD)
    assert send(desk, page_of(anomaly), agree=forged, note="").status_code == 200
    assert Anomaly.objects.get(pk=anomaly.pk).status == "pending"


def test_nothing_is_offered_to_a_viewer_or_about_what_is_decided(client, viewer, desk):
    dismissed(3)
    decided = Anomaly.objects.first()
    assert 'name="agree"' not in page(desk, decided)
    pending = make_anomaly(**ODD)
    client.force_login(viewer)
    assert "3 of 3 like this" in (shown := page(client, pending)) and 'name="agree"' not in shown


def test_the_pattern_links_its_anomalies_by_status(desk):
    dismissed(2)
    anomaly = make_anomaly(**ODD)
    shown = page(desk, anomaly)
    key = Anomaly.objects.get(pk=anomaly.pk).pattern
    assert f'href="/admin/anomalies/anomaly/?pattern={key}&amp;status=dismissed">2 dismissed</a>' in shown
    assert "Last decision: dismissed as known and harmless by ana" in shown


def test_the_card_and_the_pattern_cost_no_query_of_their_own(desk):
    dismissed(2)
    anomaly = make_anomaly(**ODD)
    page(desk, anomaly)
    with CaptureQueriesContext(connection) as queries:
        page(desk, anomaly)
    assert len(queries) <= 7


GARBAGE = [
    None, 0, -1.5, True, "", "text\nlines", [], {}, [[]], [None], [{}], [{"text": 5}], [{"text": ""}],
    [{"text": "a", "line": "x", "bits": "y", "odd": 1}], {"events": [{"text": "b", "odd": True}]},
    {"lines": None}, {"text": "a"}, [["deep", ["deeper"]]], [{"text": "\u202e\u2066" * 40, "odd": True}],
    ["<script>x</script>" * 3], [{"text": "]]>&quot;'\"", "odd": True, "line": -7}], ["x" * 100_000] * 3,
    [{"line": 10**18, "text": "{", "odd": True}], ["%s %(x)d {0} {{"],
]  # fmt: skip


def test_rows_of_any_shape_and_age_are_shown(desk):
    for number, value in enumerate(GARBAGE):
        other = GARBAGE[-number]
        said = [" ", "“", "“x” (line 3)", "“” came ", "\u2066", "a\n" * 9][number % 6]
        anomaly = make_anomaly(
            baseline_data=other, window_data=value, metadata=value, glass_box_explanation=said, novelty=None
        )
        shown = page(desk, anomaly)
        assert "<script>x" not in shown and "\u202e" not in shown and "\u2066" not in shown


def test_a_row_from_before_patterns_is_shown(desk):
    anomaly = make_anomaly(**ODD)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE anomalies DISABLE TRIGGER USER")
        cursor.execute("UPDATE anomalies SET pattern = NULL, source = NULL")
        cursor.execute("ALTER TABLE anomalies ENABLE TRIGGER USER")
    shown = page(desk, anomaly)
    assert "This row is older than patterns" in shown and "<strong>app.log</strong>" in shown


def test_numbers_that_are_no_usual_ones_are_shown(desk):
    for p in (0.0, 1.0, 1e-300):
        assert "Rare" in page(desk, make_anomaly(**{**anomaly_values(), "p_value": p}))
    assert "never before" in page(desk, make_anomaly(glass_box_explanation="alone"))


def metric(value: object, number: int, odd: bool = False) -> dict[str, Any]:
    at = f"2026-11-28T10:{number:02}:00+00:00"
    return {"line": number, "text": f"cpu,{value}", "odd": odd, "values": {"cpu <i>": value}, "at": at}


METRIC = {
    "stream_type": "metrics",
    "glass_box_explanation": "cpu <i> 97 (line 12); usual 40 to 45.",
    "baseline_data": [metric(40 + number % 6, number) for number in range(10)],
    "window_data": [metric(44, 10), metric(97, 12, odd=True)],
}


def test_a_metric_shows_its_values_as_a_chart_instead_of_an_odd_line(desk):
    shown = page(desk, make_anomaly(**METRIC))
    assert 'aria-label="cpu &lt;i&gt;: 2 values, 44 to 97; usual 40 to 45; 1 odd, 97"' in shown
    assert "<strong>cpu &lt;i&gt;</strong> 40 to 97" in shown
    assert "<span>2026-11-28 10:00:00 UTC</span> <span>2026-11-28 10:12:00 UTC</span>" in shown
    assert 'class="odd" d="M1000.0,8.0h0"' in shown
    assert 'aria-labelledby="contrast"' not in shown


@pytest.mark.parametrize("values", [(1e308, -1e308, 5e-324), (7, 7, 7), (0, 1e-12, -1e300)])
def test_a_chart_of_extreme_values_stays_within_its_frame(desk, values):
    shown = page(desk, make_anomaly(window_data=[metric(each, n) for n, each in enumerate(values)]))
    places = re.findall(r"[\d.]+,(-?[\d.]+|nan|inf)", re.search(r'class="window" points="([^"]*)', shown)[1])
    assert len(places) == 3
    assert all(8 <= float(place) <= 142 for place in places)
