"""NAB's score by its rules, the incidents that are put into series, and the yardsticks."""

from __future__ import annotations

import pytest

from benchmarks.detect.nab import best_score, nab_score, raw_score, scaled_sigmoid
from benchmarks.detect.streams.data import Series
from benchmarks.detect.streams.generators import KINDS, made
from benchmarks.detect.streams.metric_incidents import INCIDENTS, with_incident
from benchmarks.detect.yardsticks import IsolationForest, windowed_gaussian, z_score

WINDOW = (500, 599)
ONE = Series("one", [0.0] * 1000, [WINDOW])


def test_no_alarm_scores_nothing_and_a_prompt_one_everything():
    assert nab_score([ONE], {"one": []}) == 0
    assert nab_score([ONE], {"one": [500]}) == pytest.approx(100)


def test_only_the_first_alarm_of_a_window_counts():
    assert raw_score(1000, [WINDOW], [500, 550, 599]) == raw_score(1000, [WINDOW], [500])


def test_a_late_alarm_is_worth_less():
    assert raw_score(1000, [WINDOW], [599]) == pytest.approx(scaled_sigmoid(-0.01) / scaled_sigmoid(-1))


def test_every_alarm_outside_costs():
    assert raw_score(1000, [WINDOW], [200, 300, 500]) == pytest.approx(1 - 2 * 0.11)


def test_an_alarm_close_behind_a_window_costs_less_than_one_far_behind():
    close, far = raw_score(1000, [WINDOW], [500, 605]), raw_score(1000, [WINDOW], [500, 950])
    assert 1 - 0.11 < close < 1
    assert far == pytest.approx(1 - 0.11, abs=1e-3)


def test_alarms_in_the_probation_neither_count_nor_cost():
    assert raw_score(1000, [WINDOW], [10, 149]) == -1


def test_the_yardsticks_get_the_best_threshold():
    scores = [0.0] * 1000
    scores[300], scores[500] = 1.0, 2.0
    assert best_score([ONE], {"one": scores}) == pytest.approx(100)


@pytest.mark.parametrize("kind", INCIDENTS)
def test_an_incident_changes_its_place_and_nothing_else(kind):
    series = made("sine", 2)
    changed, (first, end) = with_incident(kind, series, 2)
    assert changed.values[:first] == series.values[:first]
    if kind == "missing":
        assert changed.values[first:] == series.values[first + 50 :]
    else:
        assert changed.values[end:] == series.values[end:] != changed.values[first:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_series_is_the_same_for_each_seed(kind):
    assert made(kind, 4, days=1).values == made(kind, 4, days=1).values != made(kind, 6, days=1).values


def test_the_yardsticks_see_a_spike():
    values = [float(at % 7) for at in range(600)]
    values[500] = 90.0
    for scores in (z_score(values), windowed_gaussian(values)):
        assert max(range(100, 600), key=scores.__getitem__) == 500


def test_the_forest_finds_the_odd_row():
    rows = [[50.0, -20.0], *([float(at % 7), float(at % 5)] for at in range(255))]
    forest = IsolationForest(rows)
    assert max(rows, key=forest.score) == rows[0]
