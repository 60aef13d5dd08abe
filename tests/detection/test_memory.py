"""What a stream has shown lately, and how much of a line is news to it."""

from __future__ import annotations

import pytest

from anomalies.detection.memory import Memory


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
    news = remembering("session opened").take("session closed")
    assert news.weight == news.bits * news.share


def test_what_was_forgotten_is_news_again():
    assert remembering("session opened", "disk full", size=1).take("session opened").share == 1.0


def test_a_line_that_was_seen_twice_is_known_while_one_of_them_is_remembered():
    assert remembering("a b", "a b", "c", size=2).take("a b").share == 0


def test_nothing_is_kept_of_what_was_forgotten():
    memory = remembering(*(f"word{number} other{number}" for number in range(500)), size=10)
    assert len(memory._model._seen) < 10 * 3 * 4


def test_an_empty_line_is_no_news():
    assert Memory().take("").weight == 0
