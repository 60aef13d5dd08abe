"""The page of one anomaly: pictures, evidence as far as it is asked for, the stream around it, the config."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from anomalies.models import Anomaly, DetectionConfig
from anomalies.queries import neighbours
from anomalies.queries.threshold_replay import shown_by
from anomalies.thresholds import measure_of, thresholds_for
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


def page(client: Client, anomaly: Anomaly, **asked: str) -> str:
    answer = client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/", asked)
    assert answer.status_code == 200
    return answer.content.decode()


def with_events(*window: Any, **over: Any) -> Anomaly:
    return make_anomaly(window_data=list(window), **over)


# --- numbers as pictures --------------------------------------------------------------------------


def test_a_number_is_a_picture_with_words(admin_client):
    for ncd in (0.2, 0.4, 0.6):
        make_anomaly(ncd_score=ncd)
    shown = page(admin_client, make_anomaly(ncd_score=0.8))
    assert 'aria-label="0.8; threshold 0.5; usual 0.23 to 0.77, median 0.5"' in shown


def there() -> Any:
    """The newest anomaly of the logs, as a page reads it."""
    return Anomaly.objects.for_list().filter(stream_type="logs").order_by("-timestamp").first()


def test_what_is_usual_is_that_of_the_newest_of_this_source(monkeypatch):
    monkeypatch.setattr(neighbours, "NEWEST", 2)
    for hours, ncd in ((0, 0.9), (1, 0.7), (2, 0.1)):
        make_anomaly(timestamp=NOON - timedelta(hours=hours), ncd_score=ncd)
    make_anomaly(metadata={}, ncd_score=0.2)
    assert neighbours.usual(there()).now().ranges["ncd_score"].median == pytest.approx(0.8)


def test_what_is_usual_is_that_of_the_same_source_and_stream():
    for metadata, stream, ncd in (("web", "logs", 0.7), ("web", "llm", 0.2), ("db", "logs", 0.1)):
        make_anomaly(metadata={"service": metadata}, stream_type=stream, ncd_score=ncd)
    web = Anomaly.objects.for_list().get(source="web", stream_type="logs")
    assert neighbours.usual(web).now().ranges["ncd_score"].median == pytest.approx(0.7)


def test_what_no_anomaly_has_is_not_usual():
    make_anomaly(novelty=None)
    assert "novelty" not in neighbours.usual(there()).now().ranges


def test_no_picture_carries_a_style_of_its_own(admin_client):
    make_anomaly()
    assert not re.search(r"<svg[^>]*>.*?style=.*?</svg>", page(admin_client, make_anomaly()), re.DOTALL)


# --- the config, then and now ---------------------------------------------------------------------


def test_the_page_says_whether_the_active_config_flags_it(admin_client):
    anomaly = make_anomaly(novelty=0.7, p_value=0.03)
    assert (
        "Active config (1): flagged; novelty 0.700 with threshold 0.5, p 0.030 with threshold 0.05."
        in page(admin_client, anomaly)
    )
    DetectionConfig.objects.filter(is_active=True).update(p_value_threshold=0.01)
    assert (
        "Active config (1): not flagged; novelty 0.700 with threshold 0.5, p 0.030 with threshold 0.01."
        in page(admin_client, anomaly)
    )


def test_the_config_of_then_is_linked_where_the_detector_named_it(admin_client):
    named = make_anomaly(metadata={"thresholds": {"ncd_threshold": 0.4}, "config_id": 1})
    assert 'href="/admin/anomalies/detectionconfig/1/change/">config 1' in page(admin_client, named)
    assert "Which config flagged it is not recorded." in page(admin_client, make_anomaly())


@pytest.mark.parametrize("novelty", [None, 0.4, 0.6])
@pytest.mark.parametrize("ncd", [0.49, 0.5])
@pytest.mark.parametrize("p", [0.049, 0.05])
def test_one_anomaly_is_judged_as_many_are(novelty, ncd, p):
    anomaly = make_anomaly(novelty=novelty, ncd_score=ncd, p_value=p)
    config = DetectionConfig.objects.get()
    many = Anomaly.objects.filter(shown_by(config)).exists()
    numbers = thresholds_for(config, "logs")
    assert numbers.is_flagged(measure_of(anomaly), anomaly.p_value) == many


# --- evidence -------------------------------------------------------------------------------------


def test_of_many_events_the_first_come_and_the_rest_when_asked_for(admin_client):
    anomaly = with_events(*[f"event {n} ends" for n in range(1000)])
    shown = page(admin_client, anomaly)
    assert "event 299 ends" in shown and "event 300 ends" not in shown
    assert "700 more events are not shown." in shown
    assert "event 999 ends" in page(admin_client, anomaly, all="window")


def test_long_evidence_stays_in_the_database_until_asked_for(admin_client):
    anomaly = with_events(*[f"event {n}" + "x" * 1000 for n in range(2000)])
    answer = admin_client.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/")
    assert len(answer.context["anomaly"].window_data_text) < 400_000


def test_a_search_marks_what_it_finds_in_both_and_counts(admin_client):
    anomaly = make_anomaly(baseline_data=["all well"], window_data=["<b>Deadlock</b>", "dead end", "fine"])
    shown = page(admin_client, anomaly, find="dead")
    assert '&lt;b&gt;<mark class="hit">Dead</mark>lock&lt;/b&gt;' in shown
    assert "2 of 3 events contain “dead”" in shown
    assert "None of 1 events contains “dead”" in shown


@pytest.mark.parametrize("find", [".*", "(", "\\", "<script>", "\0", "x" * 9000, "ß"])
def test_a_search_is_for_a_text_whatever_it_is(admin_client, find):
    assert "<script>x" not in page(admin_client, with_events("a.*b", "<script>x"), find=find)


def test_an_object_is_folded_and_indented(admin_client):
    shown = page(admin_client, with_events({"level": "error", "code": [1, 2]}))
    assert "<summary>{&quot;code&quot;: [1, 2], &quot;level&quot;: &quot;error&quot;}</summary>" in shown
    assert "],\n  &quot;level&quot;: &quot;error&quot;\n}" in shown


@pytest.mark.parametrize("key", ["events", "lines"])
def test_events_inside_an_object_are_cut_as_well(admin_client, key):
    anomaly = make_anomaly(window_data={key: [f"event {n} ends" for n in range(500)]})
    assert "200 more events are not shown." in page(admin_client, anomaly)


def test_a_single_event_without_end_is_cut_and_said_to_be(admin_client):
    assert "[3,000,000 characters]" in page(admin_client, with_events("x" * 3_000_000))
    assert "has more than 4,000,000 characters" in page(admin_client, with_events("x" * 5_000_000))


# --- the stream around it -------------------------------------------------------------------------


def test_the_anomalies_of_the_source_nearest_in_time_are_around_it(monkeypatch):
    monkeypatch.setattr(neighbours, "ON_EACH_SIDE", 2)
    made = [make_anomaly(timestamp=NOON + timedelta(hours=hour)) for hour in range(7)]
    make_anomaly(timestamp=NOON + timedelta(hours=3), metadata={})
    here = Anomaly.objects.for_list().get(pk=made[3].pk)
    assert [each.pk for each in neighbours.around(here)] == [each.pk for each in made[5:0:-1]]


def test_those_of_another_source_are_not_around_it():
    here, near, _ = (make_anomaly(metadata={"file": name}) for name in ("a.log", "a.log.1", "b.log"))
    found = neighbours.around(Anomaly.objects.for_list().get(pk=here.pk))
    assert {each.pk for each in found} == {here.pk, near.pk}


def test_a_clock_that_is_years_ahead_does_not_squeeze_the_time_line():
    made = [make_anomaly(timestamp=NOON + timedelta(minutes=minute)) for minute in range(9)]
    make_anomaly(timestamp=NOON + timedelta(days=365_000))
    here = Anomaly.objects.for_list().get(pk=made[0].pk)
    assert {each.pk for each in neighbours.around(here)} == {each.pk for each in made}


def test_where_all_lie_at_one_moment_what_is_of_the_same_day_stays():
    made = [make_anomaly(timestamp=NOON) for _ in range(9)]
    later = make_anomaly(timestamp=NOON + timedelta(hours=5))
    here = Anomaly.objects.for_list().get(pk=made[0].pk)
    assert later.pk in {each.pk for each in neighbours.around(here)}


def test_each_mark_on_the_time_line_is_a_link_with_words(admin_client):
    other = make_anomaly(timestamp=NOON - timedelta(hours=1), status="dismissed", ncd_score=0.25)
    shown = page(admin_client, make_anomaly())
    link = f'<a href="/admin/anomalies/anomaly/{other.pk}/change/"'
    assert f'{link} aria-label="2026-11-23 11:00:00 UTC, dismissed, NCD 0.250">' in shown


def test_an_anomaly_alone_in_its_source_is_said_to_be(admin_client):
    assert "This is the only anomaly of db1." in page(admin_client, make_anomaly())
    assert "This is the only anomaly of LLM." in page(
        admin_client, make_anomaly(stream_type="llm", metadata={})
    )
