"""The tail of a statistic: what a value's chance is, beyond all that was seen as well."""

from __future__ import annotations

import json
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection.metrics.tail import BLOCKS, ENOUGH, Tail


def tail_of(maxima, p=0.001, floor=1e-9):
    tail = Tail()
    for most in maxima:
        tail.add(most, floor, p)
    return tail


def exponential(count, seed=1):
    draw = Random(seed)
    return [draw.expovariate(1.0) for _ in range(count)]


def test_nothing_is_rare_before_eight_blocks():
    tail = tail_of(exponential(ENOUGH - 1))
    assert (tail.threshold, tail.p(1e9)) == (inf, 1.0)


def test_a_block_without_the_statistic_does_not_count():
    tail = tail_of([-1.0] * 20)
    assert tail.threshold == inf


def test_the_further_beyond_the_rarer_without_an_end():
    tail = tail_of(exponential(200))
    chances = [tail.p(value) for value in (5, 10, 20, 40, 80)]
    assert chances == sorted(chances, reverse=True) and len(set(chances)) == 5


def test_the_chance_of_an_exponential_tail_is_about_right():
    chances = [tail_of(exponential(300, seed)).p(6.9) for seed in range(20)]  # truth: 0.001
    assert 0.0003 < sorted(chances)[10] < 0.003


def test_the_threshold_is_what_is_reached_with_the_chance_that_was_asked_for():
    tail = tail_of(exponential(200), p=0.0005)
    assert tail.p(tail.threshold) == pytest.approx(0.0005)


def test_three_incidents_do_not_hide_the_next_one():
    draw = Random(3)
    maxima = [draw.expovariate(1.0) for _ in range(100)]
    for at in (30, 60, 90):
        maxima[at] = 50.0
    assert tail_of(maxima).p(50.0) < 0.005


def test_what_came_five_times_is_counted():
    maxima = exponential(100)
    for at in range(10, 60, 10):
        maxima[at] = 50.0
    assert tail_of(maxima).rate(50.0) == pytest.approx(1.9702 / 100)
    assert tail_of(maxima).rate(51.0) == 0.0


def test_blocks_of_one_incident_are_counted_once():
    maxima = exponential(100)
    maxima[10:20] = [50.0] * 10
    assert tail_of(maxima).rate(50.0) == 0.0


def test_a_series_of_equal_maxima_needs_a_departure_of_some_floors():
    tail = tail_of([2.0] * 100, floor=1.0)
    assert 5 < tail.threshold < 20


def test_the_oldest_blocks_are_forgotten():
    tail = tail_of([1.0] * 50 + [0.0] * BLOCKS)
    assert set(tail.state()["maxima"]) == {0.0}


def test_forgotten_blocks_are_gone():
    tail = tail_of([1.0, 2.0, 3.0, 4.0])
    tail.forget({0, 2})
    assert tail.state()["maxima"] == [1.0, 3.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e12), max_size=60), st.lists(st.floats(0, 1e12), max_size=20))
def test_saved_and_loaded_it_goes_on_to_the_last_digit(before, then):
    one, other = tail_of(before), Tail()
    other.restore(json.loads(json.dumps(one.state(), allow_nan=False)))
    for most in then:
        for tail in (one, other):
            tail.add(most, 1e-9, 0.001)
    assert one.state() == other.state()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e12), min_size=8, max_size=60), st.floats(0, 1e15))
def test_a_chance_is_a_chance(maxima, value):
    assert 0 <= tail_of(maxima).p(value) <= 1
