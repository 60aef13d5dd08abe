"""The grammar of a search: words with a key, and text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anomalies.queries.filters import VOCABULARY
from anomalies.queries.search.expansion import operators_of
from anomalies.queries.search.grammar import Text, Word, formatted, parsed

OPERATORS = operators_of(VOCABULARY)
# Pieces of searches, which meet more of the grammar than single characters do.
PIECES = st.sampled_from(
    ['"', "\\", ":", "-", "<", "<=", " ", "\n", ",", "tag", "p", "status:", "x", "\x00", "ü"]
)
ANY_SEARCH = st.text(max_size=200) | st.lists(PIECES, max_size=30).map("".join)


def parts(search: str) -> list[Word | Text]:
    return list(parsed(search, OPERATORS))


@pytest.mark.parametrize(
    ("search", "word"),
    [
        ("status:pending", Word("status", ":", "pending")),
        ("STATUS:pending", Word("status", ":", "pending")),
        ("p<0.01", Word("p", "<", "0.01")),
        ("ncd>=0.4", Word("ncd", ">=", "0.4")),
        ("-tag:noise", Word("tag", ":", "noise", is_excluding=True)),
        ("host:web1:8080", Word("host", ":", "web1:8080")),
        ('source:"my app"', Word("source", ":", "my app")),
        ('source:"a\\"b\\\\c"', Word("source", ":", 'a"b\\c')),
        ('source:"my a', Word("source", ":", "my a")),
        ("source:C:\\logs\\x", Word("source", ":", "C:\\logs\\x")),
    ],
)
def test_a_word_is_a_key_with_an_operator_and_a_value(search, word):
    assert parts(search) == [word]


@pytest.mark.parametrize(
    "search",
    [
        "deadlock",
        "12:30:05",
        "https://db:5432/x?p<1",
        "ERROR:",
        "status:",
        "ncd>=",
        "status=500",
        "sorce:web",
        "x.status:pending",
        "--tag:x",
        '"status:pending"',
        '-"status:pending or"',
        '5"disk',
    ],
)
def test_what_has_no_known_key_with_its_operator_is_text(search):
    assert parts(search) == [Text(search)]


def test_words_and_text_are_separated_by_white_space():
    found = parts('  disk  status:pending\n"lost  client" -tag:x ')
    assert found == [
        Text("disk"), Word("status", ":", "pending"), Text('"lost  client"'), Word("tag", ":", "x", True)
    ]  # fmt: skip


def test_a_quote_that_is_not_closed_hides_no_word():
    assert parts('5" disk status:pending')[-1] == Word("status", ":", "pending")


@given(ANY_SEARCH)
@example('tag:"')
@example('tag:"\\')
def test_any_string_is_a_search_and_what_is_written_of_it_has_the_same_parts(search):
    found = parsed(search, OPERATORS)
    assert parsed(formatted(found), OPERATORS) == found


@given(st.text(max_size=50), st.booleans(), st.sampled_from(sorted(OPERATORS)))
@example("=1", False, ("p", "<"))
def test_every_value_can_be_written(value, is_excluding, operator):
    word = Word(*operator, value, is_excluding)
    assert parts(str(word)) == [word]
