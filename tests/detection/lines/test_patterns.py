"""The pattern of a text: a function of the text alone."""

import pytest

from anomalies.detection import pattern_of
from anomalies.detection.lines.patterns import masked

EXAMPLES = [
    (
        "Jun 14 15:16:01 sshd[19939]: 3 of db5 in 117ms",
        "<time> sshd[#]: # of db# in #ms",
    ),
    ("took=2.216ms", "took=#ms"),
    ("from 10.0.0.7 port 22", "from <ip> port #"),
    ("job 6ba7b810-9dad-11d1-80b4-00c04fd430c8 done", "job <id> done"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "pattern"), EXAMPLES)
def test_what_varies_is_masked(text, pattern):
    assert pattern_of(text) == pattern


def test_a_decimal_with_a_unit_is_one_value():
    text = 'probe took="2.216ms"'
    ((_, start, end),) = masked(text).numbers
    assert text[start:end] == "2.216"


def test_texts_that_differ_in_digits_alone_have_one_pattern():
    assert pattern_of("read 17 of 95") == pattern_of("read 1 of 2")
