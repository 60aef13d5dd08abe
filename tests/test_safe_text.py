"""Text from outside on a terminal, a page or in a file."""

from __future__ import annotations

import json
import unicodedata
from itertools import product

import pytest

from anomalies.safe_text import escaped, printable

# What a program may ignore, and what turns, breaks or is no text at all: https://www.unicode.org/Public/16.0.0/ucd/
IGNORABLE = (
    "AD 34F 115F-1160 17B4-17B5 180B-180F 200B 2060-206F 3164 FE00-FE0E FEFF FFA0 FFF0-FFFB FFFE-FFFF "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)


def code_points(ranges: str) -> list[int]:
    pairs = [part.split("-") for part in ranges.split()]
    return [code for pair in pairs for code in range(int(pair[0], 16), int(pair[-1], 16) + 1)]


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
        ("pass\u200bword", "pass\\u200bword"),
        ("pass\u200cwo\u200drd", "pass\\u200cwo\\u200drd"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_as_text(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_is_escaped(code):
    assert escaped(chr(code)) == f"\\x{code:02x}"


def test_every_ignorable_or_directing_character_and_every_lone_surrogate_is_escaped():
    codes = [*code_points(IGNORABLE), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0xD800, 0xE000)]
    assert [hex(code) for code in codes if chr(code) in escaped(f"é{chr(code)}é")] == []


def test_whatever_is_escaped_is_no_letter_mark_number_or_symbol_that_is_drawn():
    drawn = (chr(code) for code in range(0x20, 0x110000) if unicodedata.category(chr(code))[0] in "LNPS")
    filler = set(map(chr, code_points("115F-1160 3164 FFA0")))
    assert [c for c in drawn if escaped(c) != c and c not in filler] == []


@pytest.mark.parametrize("text", ["⚠️ disk full", "👩‍💻 logged in", "می‌خواهم", "क्‍ष", "❤️‍🔥"])
def test_joiners_stay_where_a_script_or_an_emoji_is_spelled_with_them(text):
    assert escaped(text) == text


@pytest.mark.parametrize(
    "joiners", ["\u200d\u200d", "\u200c\u200d", "\ufe0f\ufe0f", "\u200d\u200c\u200d\u200d"]
)
def test_joiners_in_a_row_can_hide_a_message_and_are_escaped(joiners):
    assert escaped(f"é{joiners}é").count("\\u") == len(joiners) - 1


def test_an_escaped_text_stays_as_it_is():
    texts = map("".join, product("a\u00e9\u202e\u200d\ufe0f\n", repeat=5))
    assert [text for text in texts if escaped(escaped(text)) != escaped(text)] == []


def test_what_is_kept_stays():
    assert escaped("one\n\ttwo\x1b", keep="\n\t") == "one\n\ttwo\\x1b"


def test_an_escaped_text_can_be_stored_as_json():
    json.dumps(escaped("".join(map(chr, range(0x110000)))), ensure_ascii=False).encode()


def test_a_long_text_says_how_much_is_left_out():
    assert printable("x" * 1_000_000, 5) == "xxxxx… (999,995 more characters)"
