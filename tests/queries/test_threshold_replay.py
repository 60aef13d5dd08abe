"""Other thresholds replayed over past decisions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.queries import threshold_replay
from anomalies.queries.threshold_replay import ReplayError, apply, replay, wilson
from anomalies.thresholds import activate
from tests.support.databases import run
from tests.support.factories import NOON, anomaly_values, make_anomaly
from tests.support.forms import send
from tests.support.plans import explain, rows_read

pytestmark = pytest.mark.django_db
PAGE = "/admin/anomalies/detectionconfig/what-if/"


def decided(status: str, count: int = 1, **over: Any) -> None:
    for number in range(count):
        when = NOON + timedelta(seconds=30 * number)
        who = {f"{status}_by": "ana", f"{status}_at": when}
        make_anomaly(**{"status": status, "p_value": 0.01, "novelty": 0.7, **who, **over})


def config(**over: Any) -> DetectionConfig:
    return DetectionConfig(**{"ncd_threshold": 0.5, "p_value_threshold": 0.05, **over})


def replayed(**proposed: Any):
    return replay(config(), config(**proposed))


# --- the figures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # The last two: R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_wilsons_interval_is_that_of_the_literature(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=6e-5)


def test_no_trials_have_no_interval():
    assert wilson(0, 0) is None


def test_the_same_thresholds_lose_nothing():
    decided("acknowledged", 2), decided("dismissed", 3)
    result = replayed()
    assert (result.before, result.lost) == (result.after, ())


@pytest.mark.parametrize(
    ("proposed", "shown"),
    [({"ncd_threshold": 0.7}, 1), ({"ncd_threshold": 0.71}, 0), ({"p_value_threshold": 0.01}, 0)],
)
def test_the_rule_is_the_detectors(proposed, shown):
    decided("dismissed")
    assert replayed(**proposed).after.dismissed == shown


def test_a_row_without_novelty_is_held_by_its_ncd():
    decided("dismissed", novelty=None, ncd_score=0.9)
    decided("dismissed", novelty=0.6, ncd_score=0.9)
    assert replayed(ncd_threshold=0.8).after.dismissed == 1


def test_a_streams_own_threshold_is_its_own():
    decided("dismissed"), decided("dismissed", stream_type="llm")
    result = replayed(stream_overrides={"llm": {"ncd_threshold": 0.8}})
    assert result.after.dismissed == 1


def test_what_is_not_decided_does_not_count():
    make_anomaly(), make_anomaly(status="investigating")
    assert replayed().before.decided == 0


def test_confirmed_anomalies_that_would_be_missed_are_listed():
    decided("acknowledged", novelty=0.6), decided("acknowledged", novelty=0.9)
    result = replayed(ncd_threshold=0.8)
    assert (result.lost_count, len(result.lost)) == (1, 1)


def test_hours_are_the_dismissals_saved_at_the_pace_of_the_record():
    decided("dismissed", 21, novelty=0.6)
    result = replayed(ncd_threshold=0.8)
    assert (result.seconds_per_decision, result.hours_saved) == (30.0, 21 * 30 / 3600)


def test_without_a_pace_no_hours_are_made_up():
    decided("dismissed")
    assert replayed().hours_saved is None


@pytest.mark.parametrize(("count", "verdict"), [(19, False), (20, True)])
def test_there_is_no_verdict_below_20_decisions(count, verdict):
    decided("dismissed", count)
    assert replayed().has_verdict is verdict


@pytest.mark.parametrize(
    "looser",
    [
        {"ncd_threshold": 0.4},
        {"p_value_threshold": 0.06},
        {"ncd_threshold": 0.9, "stream_overrides": {"llm": {"ncd_threshold": 0.4}}},
    ],
)
def test_looser_thresholds_cannot_be_replayed(looser):
    with pytest.raises(ReplayError, match="Only stricter"):
        replayed(**looser)


def test_an_override_that_falls_away_may_be_looser_too():
    current = config(stream_overrides={"llm": {"ncd_threshold": 0.8}})
    with pytest.raises(ReplayError, match=r"llm: the novelty threshold 0\.6 is below 0\.8"):
        replay(current, config(ncd_threshold=0.6))


def test_applying_makes_a_new_active_config_with_the_result_in_its_notes():
    decided("dismissed", 20)
    former = DetectionConfig.objects.get()
    result, seen = replayed(ncd_threshold=0.9), (former.pk, former.version)
    new = apply(config(ncd_threshold=0.9), result, Actor("lea"), current=seen, batch=uuid4())
    active = DetectionConfig.objects.get(is_active=True)
    assert active.pk == new.pk != former.pk and active.ncd_threshold == 0.9
    assert "Of 20 decided anomalies 0 would still be shown" in active.notes
    assert AuditLog.objects.filter(username="lea", action="activate").exists()


ASKED = {"ncd_threshold": "0.9", "p_value_threshold": "0.05"}


def opened(client: Client, **over: str) -> Any:
    return client.get(PAGE, {**ASKED, **over})


def apply_it(client: Client, page: Any = None, **over: str) -> Any:
    return send(client, PAGE, page or opened(client), **{**ASKED, **over})


# --- what is open, and the curve ---------------------------------------------------------------------------


def waiting(**over: Any) -> None:
    make_anomaly(**{"novelty": 0.6, "p_value": 0.01, **over})


def test_open_anomalies_that_would_be_hidden_are_counted_and_listed():
    waiting(), waiting(status="investigating"), waiting(novelty=None, ncd_score=0.7)
    waiting(novelty=0.9), waiting(novelty=None, ncd_score=0.9)
    found = replayed(ncd_threshold=0.8).open
    assert (found.shown, found.hidden, len(found.first), found.is_part) == (5, 3, 3, False)


def test_what_the_active_config_does_not_flag_would_not_be_hidden_by_another():
    waiting(novelty=0.4), waiting(p_value=0.2)
    assert (replayed(ncd_threshold=0.8).open.shown, replayed(ncd_threshold=0.8).open.hidden) == (0, 0)


def test_of_more_open_ones_than_are_replayed_it_says_so(monkeypatch):
    monkeypatch.setattr(threshold_replay, "REPLAYED", 1)
    waiting(), waiting()
    assert replayed().open.is_part


def test_few_open_ones_among_many_decided_are_found_by_their_status():
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values(status="acknowledged")) for _ in range(2_000))
    waiting()
    run("ANALYZE anomalies")
    run("SET LOCAL enable_seqscan = off")  # so small a table is read whole otherwise
    with CaptureQueriesContext(connection) as queries:
        replayed(ncd_threshold=0.8)
    of_open = [each["sql"] for each in queries if "acknowledged" not in each["sql"]]
    read = [rows_read(explain(sql)) for sql in of_open if "TABLESAMPLE" not in sql]
    assert len(read) >= 4 and max(read) <= 20


def test_the_curve_has_at_each_threshold_what_a_replay_of_it_has():
    for novelty in (0.5, 0.6, 0.7, 0.95, None):
        decided("acknowledged", novelty=novelty, ncd_score=0.8), decided("dismissed", novelty=novelty)
        waiting(novelty=novelty), decided("dismissed", novelty=novelty, stream_type="llm")
    own = {"stream_overrides": {"llm": {"ncd_threshold": 0.7}}}
    for point in replay(config(**own), config(**own)).curve:
        streams = {"llm": {"ncd_threshold": max(0.7, point.threshold)}}
        same = replay(config(**own), config(ncd_threshold=point.threshold, stream_overrides=streams))
        assert (point.shown, point.missed, point.hidden) == (same.after, same.lost_count, same.open.hidden)


def test_the_curve_goes_from_the_active_threshold_to_one_with_the_proposed_p_value():
    decided("dismissed", novelty=1.0, p_value=0.02), decided("dismissed", novelty=1.0, p_value=0.001)
    curve = replayed(p_value_threshold=0.01).curve
    assert (curve[0].threshold, curve[-1].threshold, len(curve)) == (0.5, 1.0, 11)
    assert {point.shown.dismissed for point in curve} == {1}


def test_the_highest_threshold_has_a_curve_of_one_point():
    assert [
        point.threshold for point in replay(config(ncd_threshold=1.0), config(ncd_threshold=1.0)).curve
    ] == [1.0]


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_shows_what_would_be(client: Client, viewer):
    decided("acknowledged", 10, novelty=0.6), decided("dismissed", 10)
    client.force_login(viewer)
    page = client.get(PAGE, {"ncd_threshold": "0.65", "p_value_threshold": "0.05"}).content.decode()
    assert "10 confirmed anomalies would be missed" in page and "make it active" not in page


def test_the_page_shows_the_curve_with_n_and_the_open_ones_that_would_be_hidden(client: Client, viewer):
    (
        decided("acknowledged", 10, novelty=0.6),
        decided("dismissed", 10),
        waiting(glass_box_explanation="disk full"),
    )
    client.force_login(viewer)
    page = opened(client).content.decode()
    assert "n = 20 decided anomalies" in page and 'aria-labelledby="curve-heading"' in page
    assert "Open anomalies that would be hidden" in page and "disk full" in page


def test_the_page_says_why_looser_thresholds_cannot_be_replayed(client, lead):
    client.force_login(lead)
    page = client.get(PAGE, {"ncd_threshold": "0.1", "p_value_threshold": "0.05"}).content.decode()
    assert "Only stricter thresholds can be replayed" in page


@pytest.mark.parametrize("value", ["", "x", "2", "-1", "nan", "inf", "1e999"])
def test_a_threshold_that_is_none_is_refused_beside_its_field(client, lead, value):
    client.force_login(lead)
    answer = client.get(PAGE, {"ncd_threshold": value, "p_value_threshold": "0.05"})
    assert answer.status_code == 200 and answer.context["form"].errors["ncd_threshold"]


def test_a_lead_applies_what_was_replayed(client, lead):
    decided("dismissed", 20)
    client.force_login(lead)
    apply_it(client, **{"llm-ncd_threshold": "0.95"})
    active = DetectionConfig.objects.get(is_active=True)
    assert (active.ncd_threshold, active.created_by) == (0.9, "lead")
    assert active.stream_overrides == {"llm": {"ncd_threshold": 0.95}}


def test_what_is_sent_twice_is_applied_once(client, lead):
    decided("dismissed", 20)
    client.force_login(lead)
    page = opened(client)
    assert [apply_it(client, page).status_code for _ in range(2)] == [302, 302]
    assert DetectionConfig.objects.count() == 2


def test_a_result_against_another_config_is_not_applied_and_is_shown_again(client, lead):
    decided("dismissed", 20)
    client.force_login(lead)
    page = opened(client)
    activate(DetectionConfig.objects.create(ncd_threshold=0.6).pk, Actor("bo"))
    answer = apply_it(client, page)
    assert answer.status_code == 409 and "changed since the replay" in answer.content.decode()
    assert apply_it(client, answer).status_code == 302
    assert DetectionConfig.objects.get(is_active=True).ncd_threshold == 0.9


@pytest.mark.parametrize("left_out", ["config", "version", "batch"])
def test_a_form_that_does_not_say_what_was_seen_applies_nothing(client, lead, left_out):
    decided("dismissed", 20)
    client.force_login(lead)
    assert apply_it(client, **{left_out: ""}).status_code == 400
    assert DetectionConfig.objects.count() == 1


def test_what_has_no_verdict_is_not_applied(client, lead):
    client.force_login(lead)
    client.post(PAGE, {"ncd_threshold": "0.9", "p_value_threshold": "0.05"})
    assert DetectionConfig.objects.get().ncd_threshold == 0.5


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_may_not_activate_applies_nothing(client, request, role):
    decided("dismissed", 20)
    client.force_login(request.getfixturevalue(role))
    answer = client.post(PAGE, {"ncd_threshold": "0.9", "p_value_threshold": "0.05"})
    assert answer.status_code == 403 and DetectionConfig.objects.count() == 1


def test_without_an_active_config_the_page_says_what_to_do(client, lead):
    DetectionConfig.objects.update(is_active=False)
    client.force_login(lead)
    page = client.get(PAGE, follow=True).content.decode()
    assert "No detection config is active" in page
