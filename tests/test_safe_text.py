"""Text from outside on a terminal."""

import pytest

from anomalies.safe_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with ümläuts and 漢字 😀", "plain, with ümläuts and 漢字 😀"),
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("a\x00b", "a\\x00b"),
        ("two\r\nlines\tand a tab", "two\\x0d\\x0alines\\x09and a tab"),
        ("bell\x07 delete\x7f", "bell\\x07 delete\\x7f"),
        ("\x9b31m is a C1 escape", "\\x9b31m is a C1 escape"),
        ("\u202egnp.exe\u2066\u2069", "\\u202egnp.exe\\u2066\\u2069"),
        ("\u2028separator\u2029", "\\u2028separator\\u2029"),
        ("half \ud800 a pair", "half \\ud800 a pair"),
        ("hidden \U000e0041 tag", "hidden \\U000e0041 tag"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_as_text(text, shown):
    assert printable(text) == shown


def test_a_long_text_says_how_much_is_left_out():
    assert printable("x" * 1_000_000, 5) == "xxxxx… (999,995 more characters)"
