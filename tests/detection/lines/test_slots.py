"""The values of one place: which are news, and from when on."""

import pytest

from anomalies.detection.lines.slots import Slot


def slot_of(words, is_word=True, born=0, begin=1_000):
    """A slot with these values, one an event, and the bits that the last one returned."""
    slot, bits = Slot("result", is_word=is_word, born=born), 0.0
    for position, word in enumerate(words, begin):
        bits = slot.see(word, position, position)
    return slot, bits


def test_a_run_of_a_rare_value_is_beyond_its_record():
    slot, bits = slot_of(["ok"] * 150 + ["failed"] * 10)
    assert bits > 16
    assert slot.is_news("failed")


def test_a_place_that_is_younger_than_what_a_record_leaves_out_is_not_judged():
    assert slot_of(["ok"] * 150 + ["failed"] * 10, born=1_000)[1] <= 0
    assert slot_of(["ok"] * 250 + ["failed"] * 10, born=1_000)[1] > 16


def test_the_usual_value_is_no_news():
    slot, _ = slot_of(["ok"] * 150 + ["failed"] * 10)
    assert not slot.is_news("ok")


@pytest.mark.parametrize(("is_burst", "expected"), [(True, True), (False, False)])
def test_names_that_come_in_bursts_are_new_names(is_burst, expected):
    hosts = [f"host-{letter}" for letter in "abcdef"]
    words = []
    for n, host in enumerate(hosts):
        words += ["()"] * 20 + ([host] * 15 if is_burst else hosts[: n + 1] * 3)
    slot, _ = slot_of(words)
    assert slot.expects_new() is expected
    assert slot.is_news(hosts[0]) is not expected


@pytest.mark.parametrize(
    ("before", "word", "expected"),
    [(["a"] * 7, "a", None), (["a"] * 99 + ["b"], "a", 0.02), (["a"] * 99 + ["b"], "c", 7.7)],
)
def test_the_cost_of_a_value_is_by_its_share(before, word, expected):
    cost = slot_of(before)[0].cost(word)
    assert cost == (expected if expected is None else pytest.approx(expected, abs=0.1))
