"""How odd a measured value is: by its level, by its change, and by what lasts."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection.scoring.metric_series import LONG, MEMORY, SHORT, Metrics, Values

WAVE = [20 + n * 7 % 5 + (n % 3) / 10 for n in range(400)]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY = st.floats()


def taken(values, name="v", metrics=None):
    metrics = metrics or Metrics()
    return [metrics.take([(name, value)], number) for number, value in enumerate(values)]


def after(values, *more):
    """What a series that has shown these values says of some more."""
    return taken([*values, *more])[-len(more) :]


def test_a_spike_weighs_more_than_any_ordinary_value():
    news = taken([*WAVE, 95.0])
    assert news[-1].weight > max(one.weight for one in news[100:-1])
    assert news[-1].share > 0.5


def test_a_spike_is_told_with_the_usual_range():
    (news,) = after(WAVE, 95.0)
    assert news.why == "v is 95, usually 20 to 24.2"


def test_a_jump_between_usual_levels_is_told_as_a_change():
    steady = [float(10 + 10 * (n // 200)) + n % 2 / 10 for n in range(400)]
    (news,) = after([*steady, *steady[:200]], 20.0)
    assert news.why.startswith("v changed by +9.9 to 20, usually by ")


def test_a_shift_that_lasts_shows_in_what_is_lasting():
    news = taken([*WAVE, *(value + 8 for value in WAVE[:LONG])])
    assert news[-1].lasting > 2 * max(one.lasting for one in news[200:400])


def test_the_weight_is_the_mean_of_the_last_points():
    news = taken([*WAVE, 95.0])
    bits = [round(one.rate * 1e6) for one in news]
    assert news[-1].weight == sum(bits[-SHORT:]) // SHORT


def test_nothing_is_odd_before_there_is_something_to_compare_with():
    assert all(one.weight == 0 for one in taken([1.0, 1e9, -5.0, 3.0] * 4))


def test_a_constant_series_costs_nothing():
    assert taken([5.0] * 300)[-1].rate == 0


def test_any_change_of_a_constant_series_is_odd():
    assert after([5.0] * 300, 5.000001)[0].share > 0.5


def test_the_further_beyond_all_values_the_dearer():
    costs = [after(WAVE, value)[0].rate for value in (25.0, 30.0, 100.0, 1e6)]
    assert costs == sorted(costs) and len(set(costs)) == 4


def test_a_missing_value_is_odd_where_there_were_none_and_not_where_they_are_usual():
    assert after(WAVE, math.nan)[0].rate > after([*WAVE, *[math.nan, 20.0] * 100], math.nan)[0].rate
    assert after(WAVE, math.nan)[0].why == "v is no number"


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_leaves_the_others_as_they_were(value):
    with_it, without = after([*WAVE[:300], value, *WAVE[300:]], 95.0), after(WAVE, 95.0)
    assert with_it[0].rate == without[0].rate


def test_of_several_values_the_oddest_one_is_told():
    metrics = Metrics()
    for number, value in enumerate(WAVE):
        metrics.take([("a", value), ("b", value)], number)
    assert metrics.take([("a", 20.0), ("b", 95.0)], 400).why.startswith("b is 95")


def test_values_that_come_and_go_have_a_code_of_their_own():
    metrics = Metrics()
    taken(WAVE, "a", metrics)
    news = metrics.take([("b", 1e9)], 400)
    assert news.weight == 0
    assert metrics.take([("a", 20.0)], 401).share < 0.5


def test_an_event_without_a_value_is_no_news():
    assert Metrics().take([], 1).weight == 0


def test_more_series_than_are_looked_at_are_no_trouble():
    metrics = Metrics()
    for number in range(30):
        metrics.take([(f"column {place}", float(place + number % 3)) for place in range(1000)], number)
    assert len(metrics.state()) == 200


def test_the_oldest_values_are_forgotten():
    values = Values(size=10)
    for number in range(100):
        values.add(number, float(number))
    assert [value for _, value in values.held()] == [float(number) for number in range(90, 100)]


def test_memory_is_bounded():
    metrics = Metrics()
    taken([float(number % 17) for number in range(MEMORY + 500)], "v", metrics)
    assert all(len(held) <= MEMORY for held in metrics.state()["v"][:3])


def test_what_is_left_out_was_never_learnt():
    metrics = Metrics()
    taken([*WAVE, *[95.0] * 30], "v", metrics)
    metrics.leave_out(range(400, 430))
    assert not [value for _, value in metrics.state()["v"][0] if value == 95.0]


def test_what_is_not_to_be_learnt_is_not():
    metrics = Metrics()
    taken(WAVE, "v", metrics)
    metrics.take([("v", 95.0)], 400, learn=False)
    assert len(metrics.state()["v"][0]) == 400


def test_compression_sees_the_tenth_that_a_value_falls_in():
    metrics = Metrics()
    taken(WAVE, "v", metrics)
    texts = [metrics.text([("v", value)]) for value in (0.0, 22.0, 99.0, math.nan)]
    assert texts == ["v=t0", texts[1], "v=t9", "v=none"]


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY | st.sampled_from([sys.float_info.max, -sys.float_info.max, 5e-324, 0.0]), max_size=120))
def test_any_numbers_are_weighed_by_finite_ones(values):
    for news in taken(values):
        assert math.isfinite(news.rate) and news.rate >= 0 and 0 <= news.share <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=80), st.lists(FINITE, min_size=1, max_size=20))
def test_saved_and_loaded_it_goes_on_to_the_last_digit(before, then):
    one, other = Metrics(), Metrics()
    taken(before, "v", one)
    other.restore(json.loads(json.dumps(one.state())))
    numbered = [[("v", value)] for value in then]
    news = [[each.take(values, 1000 + at) for at, values in enumerate(numbered)] for each in (one, other)]
    assert news[0] == news[1]
