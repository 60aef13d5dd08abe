import tracemalloc
from itertools import pairwise

import pytest

from anomalies.detection.scoring.surprise import Reader
from anomalies.detection.scoring.token_model import TokenModel


def bits(model, line):
    return sum(model.bits(model.code(line)))


BASELINE = [
    f"session {verb} for user {who}" for verb in ("opened", "closed") for who in ("root", "mail")
] * 10


def test_the_first_word_ever_is_spelled_out_and_announced_for_nothing():
    # "ab" and the line end, unknown as well: 8 bits a byte, and 8 to end each of the two.
    assert bits(TokenModel(), "ab") == (2 + 1) * 8 + (1 + 1) * 8


def test_witten_and_bells_weights_counted_by_hand():
    model = TokenModel()
    model.learn(model.code("a"))  # counts: a, line end; each once, after each of their contexts
    # order 0: (1 + 2·0) / (2 + 2) = 1/4; order 1: (1 + 1/4) / 2 = 5/8; order 2: (1 + 5/8) / 2 = 13/16
    assert 2 ** -bits(model, "a") == pytest.approx((13 / 16) ** 2)


def test_a_line_costs_less_the_oftener_it_was_seen():
    model = TokenModel()
    costs = []
    for _ in range(5):
        costs.append(bits(model, "session opened for root"))
        model.learn(model.code("session opened for root"))
    assert all(earlier > later for earlier, later in pairwise(costs))


def test_known_words_in_an_unknown_order_cost_more_than_in_the_known_one():
    reader = Reader(BASELINE)
    assert (
        reader.read("user for closed session mail").bits
        > 2 * reader.read("session closed for user mail").bits
    )


def test_a_foreign_line_is_odd_and_a_known_one_is_not():
    reader = Reader(BASELINE)
    assert reader.usual.finds_odd(reader.read("kernel panic: no init found"))
    assert not reader.usual.finds_odd(reader.read("session opened for user root"))


def test_an_odd_line_that_repeats_stays_as_odd():
    reader = Reader(BASELINE)
    costs = {reader.read("kernel panic: no init found").bits for _ in range(10)}
    assert len(costs) == 1


def test_a_baseline_too_short_to_show_one_in_twenty_calls_nothing_odd():
    reader = Reader(BASELINE[:36])
    assert not reader.usual.finds_odd(reader.read("kernel panic: no init found"))


def test_a_very_long_unknown_word_costs_its_length_and_no_overflow():
    assert Reader(BASELINE).read("x" * 4096).bits > 8 * 4096


def test_an_empty_line_has_a_rate():
    assert Reader([""] * 40).read("").rate < 1


def test_a_line_of_thousands_of_tokens_still_pays_for_all_of_it():
    assert Reader(BASELINE).read("! " * 2048).bits > 8 * 3000


def test_a_baseline_of_hostile_lines_stays_small():
    lines = ["".join(chr(0x2190 + (k * (n + 7) + n) % 2000) for k in range(4096)) for n in range(100)]
    tracemalloc.start()
    Reader(lines)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000
