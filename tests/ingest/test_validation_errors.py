"""The reason of a rejected line: the value as it stands, cut where it is long, and the remedy."""

from __future__ import annotations

import pytest

from anomalies.ingest.rows import read_row
from anomalies.ingest.validation_errors import Misfit, Reject

QUOTES = "keys and texts stand in double quotes"
NOT_FINITE = "NaN and Infinity are no JSON numbers"


def reason(line: str) -> str:
    with pytest.raises(Misfit) as caught:
        read_row(line.encode())
    return caught.value.reason


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_value_of_60_characters_is_shown_whole_and_a_longer_one_is_cut(letter):
    whole, longer = f'"{letter * 58}"', f'"{letter * 59}"'
    assert reason(f'{{"ncd_score": {whole}}}') == f"must be a number from 0 to 1, not {whole}"
    assert reason(f'{{"ncd_score": {longer}}}') == f"must be a number from 0 to 1, not {longer[:60]}…"


@pytest.mark.parametrize("line", ["'text'", "{'key': 1}", "{\"key\": 'text'}", "['text']"])
def test_single_quotes_are_named_where_they_stand(line):
    assert QUOTES in reason(line)


@pytest.mark.parametrize("line", ['{"key": x\'}', '{"it\'s": x}', '{"it\'s": 1, nothing}'])
def test_a_quote_elsewhere_is_not_the_mistake(line):
    assert QUOTES not in reason(line)


@pytest.mark.parametrize("line", ["NaN", "-Infinity", '{"key":-Infinity}', '{"key": -Infinity}', "[inf]"])
def test_numbers_that_are_not_finite_are_named_wherever_they_stand(line):
    assert NOT_FINITE in reason(line)


@pytest.mark.parametrize("line", ['{"NaN": x}', '{"key": Nobody}', '{"key": nil}'])
def test_a_name_like_theirs_is_not_the_mistake(line):
    assert NOT_FINITE not in reason(line)


def test_a_reject_is_of_a_whole_line_unless_it_says_otherwise():
    assert Reject(1, None, "is no JSON", b"{").whole


def test_a_reject_names_line_column_and_reason():
    assert str(Reject(1_234, "tags", "are 101", b"{}")) == "line 1,234, tags: are 101"
    assert str(Reject(1_234, None, "is no JSON", b"{")) == "line 1,234: is no JSON"
