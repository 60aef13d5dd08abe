"""What a stream has shown lately, and how much of a line is news to it."""

from __future__ import annotations

import pytest

from anomalies.detection.memory import Memory

from .support import ordinary


def remembering(*lines: str, size: int = 100) -> Memory:
    memory = Memory(size)
    for line in lines:
        memory.take(line)
    return memory


def test_the_first_line_is_all_new():
    assert Memory().take("session opened").share == 1.0


def test_a_line_seen_before_holds_nothing_new():
    assert remembering("session opened").take("session opened").weight == 0


def test_the_share_counts_the_bytes_of_words_new_in_their_place():
    # "closed" (6 bytes) is new after "session" (7) at the beginning.
    assert remembering("session opened").take("session closed").share == pytest.approx(6 / 13)


def test_a_known_word_in_an_unknown_place_is_new():
    assert remembering("session opened").take("opened session").share == 1.0


def test_the_weight_is_the_part_of_the_bits_that_falls_on_new_text():
    memory = remembering("session opened")
    bits = memory._model.surprise("session closed").bits
    news = memory.take("session closed")
    assert news.weight == bits * news.share


def test_news_says_how_many_events_it_was_held_against():
    assert [remembering(*"abcd"[:count], size=3).take("x").events for count in range(5)] == [0, 1, 2, 3, 3]


def test_what_was_forgotten_is_news_again():
    assert remembering("session opened", "disk full", size=1).take("session opened").share == 1.0


def test_a_line_that_was_seen_twice_is_known_while_one_of_them_is_remembered():
    assert remembering("a b", "a b", "c", size=2).take("a b").share == 0


def test_nothing_is_kept_of_what_was_forgotten():
    memory = remembering(*(f"word{number} other{number}" for number in range(500)), size=10)
    assert len(memory._model._seen) < 10 * 3 * 4
    assert memory._model.counts == sum(map(len, memory._model._seen.values()))


def test_what_is_forgotten_leaves_the_model_of_the_rest():
    lines = [f"session {number % 7} of {number % 3}" for number in range(50)]
    assert remembering(*lines, size=20)._model._seen == remembering(*lines[-20:])._model._seen


def test_long_and_varied_lines_shorten_the_memory_instead_of_filling_the_machine():
    memory = Memory(most_counts=10_000)
    for number in range(50):
        memory.take("".join(chr(0x2190 + (k * (number + 7) + number) % 2000) for k in range(4096)))
    assert 0 < len(memory._lines) < 50
    assert memory._model.counts <= 10_000


def test_ordinary_lines_do_not_shorten_the_memory():
    memory = remembering(*ordinary(2_500), size=2_000)
    assert len(memory._lines) == 2_000


def test_an_empty_line_is_no_news():
    assert Memory().take("").weight == 0
