"""A stream's state is explicit: saved and loaded anywhere, the detector goes on as if nothing had been."""

from __future__ import annotations

import json
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection import Acknowledged, Detector, Event, Parameters, detect

from .support import events, ordinary, real_events, real_log, with_foreign

PARAMETERS = Parameters(baseline_size=20, window_size=5, review_per_day=2)
WORDS = st.sampled_from(
    ["session opened for root", "session closed", "disk full on /dev/sda1", "panic", "x y z"]
)
TEXTS = st.lists(WORDS | st.text(max_size=12), max_size=120)


def in_pieces(stream, cuts, parameters=PARAMETERS, saved=False):
    detector, findings, begin = Detector(parameters), [], 0
    for end in [*sorted(cuts), len(stream)]:
        findings += detector.feed(stream[begin:end])
        begin = max(begin, end)
        if saved:
            detector = Detector.load(json.loads(json.dumps(detector.state())))
    return [*findings, *detector.finish()]


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 120), max_size=4))
def test_the_findings_do_not_depend_on_how_the_stream_is_cut(texts, cuts):
    stream = events(texts)
    assert in_pieces(stream, cuts) == list(detect(stream, PARAMETERS))


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 120), max_size=4))
def test_a_detector_saved_and_loaded_between_any_two_events_finds_the_same(texts, cuts):
    stream = events(texts)
    assert in_pieces(stream, cuts, saved=True) == list(detect(stream, PARAMETERS))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "as"]), st.sampled_from([3, 0.5, "no", "5s", True])), max_size=120
    ),
    st.lists(st.integers(0, 120), max_size=4),
)
def test_fields_that_hold_numbers_and_words_outlive_saving(fields, cuts):
    stream = [
        Event(number, "applied", None, fields=((path, value),))
        for number, (path, value) in enumerate(fields, 1)
    ]
    assert in_pieces(stream, cuts, saved=True) == list(detect(stream, PARAMETERS))


@pytest.mark.parametrize("name", ["BGL", "Linux"])
def test_a_real_log_cut_and_saved_at_many_places_gives_the_same_to_the_last_digit(name):
    stream = real_events(real_log(name))
    parameters = Parameters(review_per_day=3)
    assert in_pieces(stream, range(0, 2000, 97), parameters, saved=True) == list(detect(stream, parameters))


def test_an_open_episode_outlives_saving():
    stream = events(with_foreign(600, 400))
    assert in_pieces(stream, [404], Parameters(), saved=True) == list(detect(stream))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from([1.0, 2.0, 950.0, nan, inf, -inf, -1.7e308, 1.7e308]), max_size=120),
    st.lists(st.integers(0, 120), max_size=4),
)
def test_what_is_no_number_outlives_saving_as_json_that_all_can_read(values, cuts):
    stream = [Event(number, "", None, values=(("v", value),)) for number, value in enumerate(values, 1)]
    detector, findings, begin = Detector(PARAMETERS, "metrics"), [], 0
    for end in [*sorted(cuts), len(stream)]:
        findings += detector.feed(stream[begin:end])
        begin = max(begin, end)
        detector = Detector.load(json.loads(json.dumps(detector.state(), allow_nan=False)))
    assert [*findings, *detector.finish()] == list(detect(stream, PARAMETERS, "metrics"))


def test_counts_outlive_saving():
    detector = Detector(PARAMETERS)
    list(detector.feed(events(with_foreign(200, 100))))
    again = Detector.load(detector.state())
    counts = (again.events_seen, again.windows_tested, again.windows_flagged)
    assert counts == (detector.events_seen, detector.windows_tested, detector.windows_flagged)


def test_a_state_of_another_form_is_refused():
    state = Detector(PARAMETERS).state()
    with pytest.raises(ValueError, match="form 99, of another version of the detector"):
        Detector.load({**state, "form": 99})


def test_a_damaged_state_is_refused():
    detector = Detector(PARAMETERS)
    list(detector.feed(events(ordinary(10))))
    state = detector.state()
    state["lines"][3][0]["number"] = "three"
    with pytest.raises(TypeError, match="three"):
        Detector.load(state)


def again_at(place, acknowledged):
    """A log with the same eight foreign lines twice, the first ones acknowledged or not."""
    lines = with_foreign(1200, 400)
    lines[place - 1 : place + 7] = lines[399:407]
    detector = Detector(Parameters())
    detector.acknowledge(acknowledged)
    return [one for one in [*detector.feed(events(lines)), *detector.finish()] if one.last_line >= place]


def test_what_was_acknowledged_is_found_again_when_it_comes_again():
    assert again_at(900, Acknowledged()) == []
    (finding,) = again_at(900, Acknowledged([(391, 416)]))
    assert finding.first_line <= 900 <= finding.last_line


def test_what_is_acknowledged_later_leaves_what_was_learnt():
    lines = events(with_foreign(1200, 400)[:800] + with_foreign(1200, 400)[399:407] + ordinary(100))
    detector = Detector(Parameters())
    (first,) = detector.feed(lines[:800])
    detector.acknowledge(Acknowledged([(first.first_line, first.last_line)]))
    later = [*detector.feed(lines[800:]), *detector.finish()]
    assert [one.first_line <= 801 <= one.last_line for one in later] == [True]


def test_another_file_of_the_same_name_learns_all_of_its_lines():
    stream = events(with_foreign(600, 400))
    detector = Detector(Parameters())
    detector.acknowledge(Acknowledged([(391, 416)], {391: "of another file"}))
    assert [*detector.feed(stream), *detector.finish()] == list(detect(stream))
