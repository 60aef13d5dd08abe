"""What a stream has shown lately, and how much of a line is news to it."""

from __future__ import annotations

import pytest

from anomalies.detection.scoring.text_memory import Memory, News

from .support import ordinary


def remembering(*lines: str, size: int = 100, baseline: int = 1) -> Memory:
    memory = Memory(baseline, size)
    for number, line in enumerate(lines, 1):
        memory.take(line, number)
    return memory


def news(memory: Memory, line: str) -> News:
    """How new a line is to a memory that does not learn it."""
    return memory.take(line, 0, learn=False)


def test_the_first_line_is_all_new():
    assert news(Memory(), "session opened").share == 1.0


def test_a_line_seen_before_holds_nothing_new():
    assert news(remembering("session opened"), "session opened").weight == 0


def test_the_share_counts_the_bytes_of_words_new_in_their_place():
    # "closed" (6 bytes) is new after "session" (7) at the beginning.
    assert news(remembering("session opened"), "session closed").share == pytest.approx(6 / 13)


def test_a_known_word_in_an_unknown_place_is_new():
    assert news(remembering("session opened"), "opened session").share == 1.0


def test_the_weight_is_the_cheaper_code_length_and_a_byte_for_each_new_one_in_either_memory():
    memory = remembering("session closed", "session opened", "disk full", baseline=2)
    found = news(memory, "session closed")
    # 6 of 13 bytes are new to the last two events, none to all three.
    assert (found.share, found.rate) == (0, pytest.approx(found.weight / 1e6 - 8 * 6 / 13))


def test_a_line_that_the_baseline_knows_weighs_nothing():
    assert news(remembering("session closed", "session opened", baseline=2), "session closed").weight == 0


def test_news_says_how_many_events_it_was_held_against():
    assert [news(remembering(*"abcd"[:count], size=3), "x").events for count in range(5)] == [0, 1, 2, 3, 3]


def test_what_was_forgotten_is_news_again():
    assert news(remembering("session opened", "disk full", size=1), "session opened").share == 1.0


def test_a_line_that_was_seen_twice_is_known_while_one_of_them_is_remembered():
    assert news(remembering("a b", "a b", "c", size=2), "a b").share == 0


def test_nothing_is_kept_of_what_was_forgotten():
    memory = remembering(*(f"word{number} other{number}" for number in range(500)), size=10)
    assert len(memory._model) <= 10 * (3 + 3 + 3)
    assert len(memory._model._kinds) <= 10 * (3 + 3)
    assert len(memory._model._lines) == 10


def counts(memory: Memory) -> list[object]:
    model = memory._model
    return [model._counts, model._kinds, model._different, model._lines_seen, model._tokens_seen]


def test_what_is_forgotten_leaves_the_model_of_the_rest():
    lines = [f"session {number % 7} of {number % 3}" for number in range(50)]
    assert counts(remembering(*lines, size=20)) == counts(remembering(*lines[-20:]))


def test_long_and_varied_lines_shorten_the_memory_instead_of_filling_the_machine():
    memory = Memory(most_counts=10_000)
    for number in range(50):
        memory.take("".join(chr(0x2190 + (k * (number + 7) + number) % 2000) for k in range(4096)), number)
    assert 0 < len(memory._lines) < 50
    assert len(memory._model) <= 10_000


def test_ordinary_lines_do_not_shorten_the_memory():
    memory = remembering(*ordinary(2_500), size=2_000)
    assert len(memory._lines) == 2_000


def test_an_empty_line_is_no_news():
    assert news(Memory(), "").weight == 0


def test_a_line_that_is_not_learnt_leaves_no_trace():
    memory = remembering("a b", "c d")
    before = str(counts(memory))
    news(memory, "e f")
    assert str(counts(memory)) == before


def test_what_is_left_out_was_never_learnt():
    memory = remembering("a b", "c d", "e f", baseline=2)
    memory.leave_out([2])
    assert memory.lines() == [(1, "a b"), (3, "e f")]
    assert news(memory, "c d").share == 1
    assert news(memory, "a b").weight == 0


def test_a_memory_made_of_another_ones_lines_is_the_same():
    lines = [f"session {number % 7} of {number % 3}" for number in range(50)]
    memory, other = remembering(*lines, size=20, baseline=5), Memory(5, 20)
    other.learn_all(memory.lines())
    assert counts(other) == counts(memory)
    assert news(other, "session x of 1") == news(memory, "session x of 1")


def test_long_texts_of_few_words_shorten_the_memory_too():
    memory = Memory(size=2_000, most_counts=10**9, most_tokens=8_192)
    for number in range(100):
        memory.take(" ".join("ab"[(number * place) % 7 % 2] for place in range(9_000)), number)
    assert len(memory.lines()) < 70
