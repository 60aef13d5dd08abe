"""The score of a session: its most surprising step, and the number of times of each step."""

from __future__ import annotations

import json
import math
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection.scoring.sessions import MOST_HELD, MOST_STEPS, Sessions
from anomalies.detection.scoring.text_memory import News
from benchmarks.detect.figures import best_f1
from benchmarks.detect.streams.data import sessions_in
from benchmarks.sessions import frozen, mixed

from .support import LOGHUB

REAL = LOGHUB.parent / "sessions"

USUAL = "open read read write close".split()
NAMES = st.sampled_from(["open", "read", "write", "close", "", "\n", "\x1f", "a\x1fb"]) | st.text(
    st.characters(), max_size=4
)
STREAMS = st.lists(st.lists(NAMES, max_size=8), max_size=40)


def remembering(*sessions: list[str], **sizes: int) -> Sessions:
    memory = Sessions(**sizes)
    for number, steps in enumerate(sessions, 1):
        memory.take(steps, number)
    return memory


def settled() -> Sessions:
    return remembering(*[USUAL] * 50)


def news(memory: Sessions, *steps: str) -> News:
    """The score of a session under a memory that does not learn it."""
    return memory.take(steps, 0, learn=False)


def counts(memory: Sessions) -> list[object]:
    model = memory._model
    inside = [
        model._places,
        model._pairs,
        model._alone,
        model._kinds,
        model._different,
        model._lines_seen,
        model._tokens_seen,
    ]
    return [inside, memory._times, memory._seen, memory._weights._sorted, memory._steps_held]


def restored(memory: Sessions, **sizes: int) -> Sessions:
    other = Sessions(**sizes)
    other.learn_all(json.loads(json.dumps(memory.sessions())))
    return other


def test_the_first_session_is_all_new():
    assert news(Sessions(), *USUAL).share == 1


def test_a_session_like_all_others_is_nothing_beyond_the_usual():
    assert news(settled(), *USUAL).share < 0.2


def test_the_share_is_the_part_of_the_weight_beyond_the_median_session():
    memory = settled()
    found = news(memory, "open", "panic")
    usual = sorted(weight for _, weight, _ in memory.sessions())[24]
    assert found.share == pytest.approx(1 - usual / found.weight)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("open read panic write close", "“panic” after “read” (step 3 of 5)"),
        ("panic open read read write close", "“panic” at the beginning (step 1 of 6)"),
        (
            "open read read read read read read write close",
            "“read” comes 6 times; it is in 100% of the sessions, mostly twice",
        ),
        ("open read write read close", "“read” after “write” (step 4 of 5)"),
    ],
)
def test_what_is_odd_is_named(steps, why):
    memory = settled()
    memory.take("open read write close".split(), 99)
    assert news(memory, *steps.split()).why == why


def test_a_step_that_is_missing_is_named_where_the_order_varies():
    memory = remembering(*map(list, permutations("abcd")), *map(list, permutations("abcd")))
    assert news(memory, *"abd").why == "“c” is missing; it is in 100% of the sessions, mostly once"


@pytest.mark.skipif(not REAL.exists(), reason=f"real sessions are missing: {REAL}")
@pytest.mark.parametrize(("size", "target"), [(100, 0.85), (1_000, 0.91)])
def test_real_sessions_are_distinguished_by_their_label(size, target):
    for sessions in sessions_in(REAL):
        assert best_f1(*frozen(sessions, size)) >= target


def test_the_benchmark_mixes_faults_evenly_among_normal_sessions():
    stream = mixed([["n1"], ["n2"], ["n3"], ["n4"]], [["f1"], ["f2"]])
    assert [steps[0] for steps, _ in stream] == ["n1", "f1", "n2", "n3", "f2", "n4"]


@pytest.mark.parametrize(
    "steps", ["open read panic write close", "open read read close", "open read", "open " * 9]
)
def test_every_kind_of_fault_weighs_more_than_a_usual_session(steps):
    memory = settled()
    assert news(memory, *steps.split()).weight > 5 * news(memory, *USUAL).weight


def test_steps_in_a_new_order_weigh_less_than_a_step_that_is_missing_and_one_that_is_unknown():
    memory = settled()
    swapped, foreign = news(memory, *"open read write read close".split()), news(memory, "open", "panic")
    assert swapped.weight < foreign.weight


def test_the_further_off_a_count_is_the_more_it_weighs():
    weights = [news(settled(), "open", *["read"] * times, "write", "close").weight for times in (2, 3, 9, 99)]
    assert weights == sorted(set(weights))


def test_steps_that_no_session_lacked_weigh_together_where_they_are_missing():
    memory = settled()
    one, two = news(memory, *"open read read write".split()), news(memory, *"open read read".split())
    assert two.rate > one.rate + 5
    assert two.why.startswith("“close” is missing, and another usual step; it is in 100% of the sessions")


def test_steps_that_are_missing_as_often_as_before_do_not_weigh_together():
    memory = remembering(*[USUAL] * 50, *[["open", "read", "read"]] * 5)
    assert "another" not in news(memory, "open", "read", "read").why


def test_a_step_that_only_some_sessions_have_may_be_missing():
    memory = remembering(*[["a", "b"], ["a", "c"], ["a", "d"]] * 20)
    assert "missing" not in news(memory, "a", "b").why


def test_a_session_says_how_many_it_was_compared_with():
    assert [news(remembering(*[USUAL] * count, size=3)).events for count in range(5)] == [0, 1, 2, 3, 3]


def test_what_was_forgotten_is_odd_again():
    memory = remembering(["x", "y"], *[USUAL] * 20, size=20)
    assert news(memory, "x", "y").weight == news(remembering(*[USUAL] * 20), "x", "y").weight


def test_a_session_that_is_not_learnt_leaves_no_trace():
    memory = settled()
    before = str(counts(memory))
    news(memory, "panic", "open")
    assert str(counts(memory)) == before


def test_what_is_left_out_was_never_learnt():
    memory = remembering(["a"], ["panic"], ["b"])
    memory.leave_out({2})
    assert [number for number, _, _ in memory.sessions()] == [1, 3]
    assert "panic" not in memory._seen


def test_a_session_without_steps_says_so_where_it_is_not_usual():
    assert news(remembering(*[["a"], ["b"], ["c"]] * 20)).why == "has no steps"


def test_a_session_without_steps_is_usual_where_all_are_so():
    assert news(remembering(*[[]] * 50)).share < 0.2


def test_sessions_that_differ_in_where_a_step_ends_are_not_taken_for_each_other():
    memory = remembering(*[["a", "b"]] * 50)
    assert news(memory, "a\x1fb").weight > 5 * news(memory, "a", "b").weight
    assert news(remembering(*[[]] * 50), "").why == "“” at the beginning (step 1 of 1)"


def test_of_a_long_session_the_first_steps_are_looked_at_and_its_whole_length_is_said():
    memory = settled()
    found = news(memory, *USUAL * 20_000)
    assert found.weight == news(memory, *(USUAL * 20_000)[: MOST_STEPS + 1]).weight
    assert "among the first 2,000 of 100,000 steps" in found.why


def test_a_long_session_whose_end_was_not_looked_at_is_not_said_to_end():
    memory = remembering(*[["a"] * 2_000] * 50)
    memory._oddest_count = lambda steps, length: (0.0, "")  # order alone
    model = memory._model
    costs = model.bits(model.code(json.dumps(["a"] * 2_000), ["a"] * 2_000))
    assert max(range(len(costs)), key=costs.__getitem__) == 2_000
    assert news(memory, *["a"] * 3_000).why == "is longer than 2,000 steps (3,000)"


def test_long_sessions_shorten_the_memory_instead_of_filling_the_machine():
    memory = Sessions(most_held=10_000)
    for number in range(50):
        memory.take(["a", "b"] * 450 + [str(number % 3)] * 100, number)
    assert len(memory.sessions()) == 10
    assert memory._steps_held == 10_000


def test_varied_sessions_shorten_the_memory_too():
    memory = Sessions(most_counts=10_000)
    for number in range(50):
        memory.take([f"{number}-{step}" for step in range(500)], number)
    assert 0 < len(memory.sessions()) < 50
    assert len(memory._model) <= 10_000


def test_of_sessions_of_100_000_steps_no_more_is_held_than_of_short_ones():
    memory, names = Sessions(), [f"s{number}" for number in range(50)]
    for number in range(210):
        memory.take([names[number % 50], names[number // 50], *names * 2_000], number)
    assert len(memory.sessions()) == MOST_HELD // MOST_STEPS
    assert memory._steps_held == MOST_HELD


def test_which_of_two_missing_steps_is_named_does_not_depend_on_what_was_forgotten():
    memory = remembering(["b"], *map(list, permutations("abcd")), size=24)
    assert news(memory, "c", "d").why == news(restored(memory, size=24), "c", "d").why
    assert "“a” is missing" in news(memory, "c", "d").why


def test_which_of_two_counts_is_called_usual_does_not_depend_on_what_was_forgotten():
    memory = remembering(["a"], ["a", "a"], ["a", "a"], ["a"], ["a"], size=4)
    assert news(memory, *["a"] * 30).why == news(restored(memory, size=4), *["a"] * 30).why
    assert "mostly once" in news(memory, *["a"] * 30).why


@settings(max_examples=150, deadline=None)
@given(STREAMS, STREAMS)
def test_saved_and_loaded_between_any_two_sessions_it_goes_on_the_same(before, after):
    memory = remembering(*before, size=7, most_held=30)
    other = restored(memory, size=7, most_held=30)
    assert counts(other) == counts(memory)
    for number, steps in enumerate(after):
        assert other.take(steps, number) == memory.take(steps, number)


@settings(max_examples=150, deadline=None)
@given(STREAMS)
def test_any_session_has_a_weight_and_a_share_between_0_and_1(sessions):
    memory = Sessions(size=5)
    for number, steps in enumerate(sessions):
        found = memory.take(steps, number)
        assert math.isfinite(found.rate)
        assert found.weight >= 0
        assert 0 <= found.share <= 1


@settings(max_examples=60, deadline=None)
@given(STREAMS)
def test_what_is_forgotten_leaves_the_memory_of_the_rest(sessions):
    memory = remembering(*sessions, size=5)
    assert counts(memory) == counts(restored(memory, size=5))
