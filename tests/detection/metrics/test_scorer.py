"""The deviations in metrics: seven kinds of incidents with their sentences, and what is not flagged."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from math import inf, nan
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection import Acknowledged, Detector, Event, Parameters, detect
from anomalies.detection.metrics.scorer import MOST_SERIES, VIEWS, MetricScorer

from .streams import DAY, STEP, events, noise, said, scored, season, untimed

AT = 9 * DAY


def changed(values, first, last, change):
    return [change(at, value) if first <= at < last else value for at, value in enumerate(values)]


def alarms(values, step=STEP):
    return {one.odd - 1 for one in scored(events(values, step=step))}


def incidents(values, step=STEP):
    """The first points of alarms that are an hour of five-minute points apart."""
    found = sorted(alarms(values, step))
    return [at for at, before in zip(found, [-99, *found], strict=False) if at - before > 12]


def test_a_clean_season_raises_nothing():
    assert alarms(season(14)) == set()


def test_a_spike_is_found_at_once():
    assert AT in alarms(changed(noise(14 * DAY), AT, AT + 1, lambda _, v: v + 9))


def test_a_shift_is_found_while_it_lasts():
    found = alarms(changed(season(14), AT, AT + 60, lambda _, v: v + 9))
    assert found and AT <= min(found) < AT + 60


def test_a_slow_ramp_is_found():
    found = alarms(changed(noise(14 * DAY), AT, AT + 600, lambda at, v: v + 5 * (at - AT) / 600))
    assert any(AT <= at < AT + 600 for at in found)


def test_a_variance_that_rises_is_found():
    draw = Random(5)
    found = alarms(changed(season(14), AT, AT + 60, lambda _, v: v + draw.gauss(0, 8)))
    assert any(AT <= at < AT + 60 for at in found)


def test_an_ordinary_value_at_the_wrong_hour_is_found():
    values = season(14)
    found = alarms(changed(values, AT + 60, AT + 100, lambda at, _: values[at + DAY // 2]))
    assert any(AT + 60 <= at < AT + 100 for at in found)


def test_a_value_that_is_stuck_is_found():
    found = alarms(changed(season(14), AT, AT + 60, lambda _, __: 51.5))
    assert any(AT <= at < AT + 60 for at in found)


def test_a_gap_is_found_when_the_next_value_comes():
    stream = events(season(14))
    (one,) = scored(stream[:AT] + stream[AT + 50 :])
    assert (one.view, one.said) == ("gap", "v: no value for 4.2 h; usual every 5 min")
    assert one.odd == stream[AT + 50].number


@pytest.mark.parametrize("nothing", [nan, inf, -inf])
def test_what_is_no_number_is_a_gap_and_leaves_the_level_as_it_was(nothing):
    values = season(14)
    found = scored(events(changed(values, AT, AT + 50, lambda _, __: nothing)))
    assert [one.view for one in found] == ["gap"]


def test_a_series_that_stops_is_reported_while_others_continue():
    stream = [
        Event(one.number, one.text, one.timestamp, values=(one.values[0], ("w", 3.0 + one.number % 7)))
        for one in events(noise(6 * DAY))
    ]
    ended = [Event(one.number, one.text, one.timestamp, values=one.values[:1]) for one in stream[5 * DAY :]]
    found = scored([*stream[: 5 * DAY], *ended])
    assert [one.said.split(" so far")[0].split(" for ")[0] for one in found] == ["w: no value"]


def test_a_spike_is_reported_with_the_values_around_it():
    values = changed(noise(3 * DAY), 2 * DAY, 2 * DAY + 1, lambda _, __: 95.25)
    first = said(events(values, name="disk used (%)"))[0]
    assert first == "disk used (%) 95.25%; between 48.31 and 51.42 for 1 d"


def test_a_mean_quotes_the_point_that_went_furthest():
    values = changed(
        noise(3 * DAY), 2 * DAY, 2 * DAY + 30, lambda at, v: v + (15 if at == 2 * DAY + 9 else 4)
    )
    means = [one for one in scored(events(values)) if " on average for " in one.said]
    furthest = f"v {values[2 * DAY + 9]:g}; "
    assert any(one.said.startswith(furthest) and one.odd == 2 * DAY + 10 for one in means)


def two_columns(first, second):
    return [
        Event(one.number, one.text, one.timestamp, values=(*one.values, ("w", other)))
        for one, other in zip(events(first), second, strict=True)
    ]


def test_a_gap_of_all_columns_is_stated_once():
    rows = two_columns(noise(4 * DAY), noise(4 * DAY, seed=2))
    found = scored(rows[: 3 * DAY] + rows[3 * DAY + 50 :])
    assert [one.said for one in found] == ["No value for 4.2 h; usual every 5 min"]


def test_a_column_that_joins_an_incident_later_is_an_alarm_of_its_own():
    first = changed(noise(3 * DAY), 800, 801, lambda _, v: v + 30)
    second = changed(noise(3 * DAY, seed=2), 830, 831, lambda _, v: v + 30)
    assert {(one.thing, one.odd) for one in scored(two_columns(first, second))} >= {("v", 801), ("w", 831)}


def test_an_incident_that_begins_slowly_does_not_hide_itself():
    values = changed(noise(14 * DAY), AT, AT + 200, lambda at, v: v + min(6, (at - AT) / 8))
    scorer = MetricScorer(Parameters())
    scored(events(values[: AT + 48]), scorer)
    assert max(tails_of(scorer)[0]["maxima"]) < 5
    assert any(AT <= at < AT + 100 for at in alarms(values))


def test_a_season_is_described_by_the_hour():
    values = changed(season(14), AT, AT + 1, lambda _, v: v + 30)
    assert re.search(r"; usual 4.* at this hour$", said(events(values))[0])


def test_a_stuck_value_is_reported_with_its_duration():
    values = changed(season(14), AT, AT + 60, lambda _, __: 51.5)
    assert "v stuck at 51.5 for 5 h; usual changes each point" in said(events(values))


def test_values_without_times_are_counted_in_points():
    values = changed(noise(2000), 1500, 1501, lambda _, v: v + 20)
    assert " for 288 points" in said(untimed(values))[0]


def test_an_incident_is_one_alarm_though_it_pauses():
    values = changed(noise(14 * DAY), AT, AT + 1, lambda _, v: v + 20)
    values = changed(values, AT + 30, AT + 31, lambda _, v: v + 20)
    assert [at for at in incidents(values) if at >= AT] == [AT]


def test_the_second_incident_of_a_size_is_found_too():
    values = changed(noise(14 * DAY), AT, AT + 1, lambda _, v: v + 20)
    values = changed(values, AT + DAY, AT + DAY + 1, lambda _, v: v + 20)
    assert [at for at in incidents(values) if at >= AT] == [AT, AT + DAY]


def test_what_comes_every_day_is_no_news_in_the_end():
    values = [round(value, 3) for value in noise(40 * DAY)]
    draw = Random(2)
    for day in range(40):
        values[day * DAY + draw.randrange(DAY)] += 20
    assert len([at for at in incidents(values) if at > 20 * DAY]) <= 2


def test_the_records_of_acknowledged_events_are_forgotten():
    values = changed(noise(5 * DAY), 4 * DAY, 4 * DAY + 1, lambda _, v: v + 20)
    scorer = MetricScorer(Parameters())
    scored(events(values), scorer)
    before = [max(tail["maxima"]) for tail in tails_of(scorer)[:2]]
    scorer.leave_out(Acknowledged([(4 * DAY - 5, 4 * DAY + 5)]))
    after = [max(tail["maxima"]) for tail in tails_of(scorer)[:2]]
    assert before[0] > 15 > 5 > after[0]


def tails_of(scorer):
    return scorer.state()["series"]["v"]["statistics"]["tails"]


def test_what_is_not_to_be_learnt_sets_no_record():
    with_it, without = MetricScorer(Parameters()), MetricScorer(Parameters())
    stream = events(noise(5 * DAY))
    for event in stream:
        with_it.take(event)
        without.take(event)
    with_it.take(Event(9_000, "", stream[-1].timestamp + STEP, values=(("v", 5e6),)), False)
    tails = [tails_of(one) for one in (with_it, without)]
    assert [tail["most"] for tail in tails[0]] == [tail["most"] for tail in tails[1]]


def test_the_shares_of_the_views_add_up_to_one():
    assert set(MetricScorer.weights) == set(VIEWS)
    assert sum(MetricScorer.weights.values()) == pytest.approx(1.0)


def test_more_series_than_are_looked_at_are_no_trouble():
    scorer = MetricScorer(Parameters())
    for number in range(3):
        values = tuple((f"s{place}", float(place + number)) for place in range(MOST_SERIES + 50))
        scorer.take(Event(number, "", None, values=values))
    assert len(scorer.state()["series"]) == MOST_SERIES


def test_the_state_does_not_grow_with_the_stream():
    def size(points):
        scorer = MetricScorer(Parameters())
        scored(events(noise(points)), scorer)
        return len(json.dumps(scorer.state()))

    assert size(16_000) < 1.2 * size(8_500)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats() | st.sampled_from([1.0, 2.0, 950.0, 1.7e308, -1.7e308, 5e-324]), max_size=300),
    st.integers(0, 300),
)
def test_saved_and_loaded_anywhere_it_says_the_same(values, cut):
    stream = events([*noise(200), *values])
    one, other = MetricScorer(Parameters()), MetricScorer(Parameters())
    before = scored(stream[:cut], one)
    other.restore(json.loads(json.dumps(one.state(), allow_nan=False)))
    assert scored(stream[cut:], one) == scored(stream[cut:], other)
    assert [*before, *scored(stream[cut:], other)][: len(before)] == before


@pytest.mark.parametrize("seed", range(4))
def test_findings_do_not_depend_on_saving_over_weeks(seed):
    draw = Random(seed)
    values = changed(season(10, seed), 8 * DAY, 8 * DAY + 40, lambda _, v: v + draw.choice([0, 15]))
    stream, scorer, found = events(values), MetricScorer(Parameters()), []
    for start in range(0, len(stream), 577):
        found += scored(stream[start : start + 577], scorer)
        saved = json.loads(json.dumps(scorer.state()))
        scorer = MetricScorer(Parameters())
        scorer.restore(saved)
    assert found == scored(stream)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 4), st.floats(-300, 300), st.integers(1, 80))
def test_the_named_line_holds_the_value_that_is_quoted(seed, digits, size, length):
    draw = Random(seed)
    rows = [round(draw.gauss(40, 2), digits) for _ in range(900)]
    for at in range(700, 700 + length):
        rows[at] = round(rows[at] + size, digits)
    start = events([0.0])[0].timestamp
    lines = [f"{(start + at * STEP).isoformat()},{value:.{digits}f}" for at, value in enumerate(rows)]
    for found in detect(["time,cpu", *lines], Parameters(), "metrics"):
        headline = found.explanation.split("\n")[0]
        named = int(re.search(r"\(line ([0-9,]+)\)", headline)[1].replace(",", ""))
        quoted = re.match(r"cpu (?:stuck at )?([^ ,;]+)", headline)[1]
        assert lines[named - 2].endswith(f",{quoted}"), headline


def test_the_detector_names_the_value_of_a_wide_row():
    rows = [f"{40 + n % 7},{0.25 + n % 3}" for n in range(600)]
    rows[500] = "43,99.125"
    (found,) = detect(["cpu,load", *rows], Parameters(), "metrics")
    assert found.explanation.startswith("load 99.125")
    assert found.oddest_line == 502


def test_the_p_of_a_finding_is_stated_as_the_chance_of_a_day():
    stream = events(changed(noise(5 * DAY), 4 * DAY, 4 * DAY + 1, lambda _, v: v + 30))
    (found,) = [*(detector := Detector(Parameters(), "metrics")).feed(stream), *detector.finish()]
    assert "the chance that a day of this stream shows as much" in found.explanation
    assert found.p_value < 0.01 and found.p_value_method == "tail"


def test_hourly_points_have_a_season_too():
    values = list(season(60)[:: DAY // 24])
    values[1_000] += 30
    assert incidents(values, step=timedelta(hours=1)) == [1_000]
