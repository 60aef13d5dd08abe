"""The usual value at a phase of a period, and the conditions for using a profile."""

from __future__ import annotations

import json
import math
from random import Random

from anomalies.detection.metrics.period import find_period
from anomalies.detection.metrics.season import Profile, off


def profile_of(values, period=24.0, bins=24, most=100.0):
    profile = Profile(period, bins)
    for moment, value in enumerate(values):
        profile.take(float(moment), value, most, True)
        profile.decide(float(moment))
    return profile


def wave(count, period=24, size=10.0, spread=1.0, seed=1):
    draw = Random(seed)
    return [size * math.sin(2 * math.pi * at / period) + draw.gauss(0, spread) for at in range(count)]


def test_a_season_is_used_after_a_period_and_some_points():
    assert not profile_of(wave(199)).is_used
    assert profile_of(wave(600)).is_used


def test_noise_is_no_season():
    assert not profile_of(wave(2000, size=0.0)).is_used


def test_a_season_that_ends_is_dropped():
    assert not profile_of([*wave(600), *wave(2000, size=0.0)]).is_used


def test_the_band_is_what_came_at_this_phase_and_beside_it():
    profile = profile_of([float(at % 24) for at in range(240)])
    assert profile.take(250.0, 10.0, 100.0, True) == (9.0, 11.0)


def test_a_phase_that_was_not_seen_has_no_band():
    assert Profile(24.0, 24).take(5.0, 1.0, 100.0, True) is None


def test_values_of_the_visit_at_hand_are_not_its_own_measure():
    profile = Profile(86_400.0, 288)
    assert [profile.take(float(second), 5.0, 100.0, True) for second in range(200)] == [None] * 200


def test_an_incident_does_not_become_what_is_usual():
    calm = [0.0] * 240
    profile = profile_of([*calm, 1000.0, *calm[:23]], most=4.0)
    low, high = profile.take(264.0, 0.0, 4.0, True)
    assert (low, high) == (0.0, 4.0 / 6)


def test_what_is_not_to_be_learnt_is_not():
    profile = profile_of([0.0] * 240)
    profile.take(240.0, 1000.0, 1e9, False)
    profile.take(241.0, 0.0, 1e9, True)
    assert profile.take(264.0, 0.0, 1e9, True) == (0.0, 0.0)


def test_off_is_the_distance_from_the_band():
    assert [off(value, (1.0, 2.0)) for value in (0.5, 1.5, 3.0)] == [-0.5, 0.0, 1.0]


def test_saved_and_loaded_it_goes_on_alike():
    one = profile_of(wave(500))
    other = Profile.restored(json.loads(json.dumps(one.state())))
    assert one.take(500.0, 3.0, 9.0, True) == other.take(500.0, 3.0, 9.0, True)
    assert one.state() == other.state()


def test_a_period_is_found_by_autocorrelation():
    assert find_period(wave(720, period=96)) == 96
    assert abs(find_period(wave(2048, period=300, spread=3.0)) - 300) <= 3


def test_noise_and_trends_have_no_period():
    assert find_period(wave(1024, size=0.0)) is None
    assert find_period([float(at) for at in range(1024)]) is None
    assert find_period([5.0] * 1024) is None
