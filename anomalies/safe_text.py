"""Text from outside, made safe to show: the one table of characters that act instead of being read.

A log line can ring, repaint or clear a terminal, break a message into two, read backwards, or hide words that
nobody sees. Detection, files, terminals and pages all escape by this table.

Source: Unicode 16, DerivedCoreProperties.txt (Default_Ignorable_Code_Point) and PropList.txt (Bidi_Control,
Noncharacter_Code_Point); UTS 55 on source code that reads otherwise than it runs.
"""

from __future__ import annotations

import re

_CONTROLS = "\x00-\x1f\x7f-\x9f"  # C0 with tab and line end, DEL, C1
_SEPARATORS = "\u2028\u2029"  # of lines and paragraphs: one message becomes two
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_INVISIBLE = (
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags, and the variation selectors above the sixteenth
)
_SURROGATES = "\ud800-\udfff"  # no encoding can write one alone
# Scripts and emoji are spelled with these: each after a character that is not ASCII, and no two in a row
# but the selector of a picture and the joiner to the next one.
_JOINERS = "\u200c\u200d\ufe0f"
_NEVER_SHOWN = f"{_CONTROLS}{_SEPARATORS}{_BIDIRECTIONAL}{_INVISIBLE}{_SURROGATES}"
_SHOWN = f"[^\x00-\x7f{_NEVER_SHOWN}{_JOINERS}]"  # not ASCII, and still there once the text is escaped
_UNSAFE = re.compile(f"[{_NEVER_SHOWN}]|(?<!{_SHOWN})[{_JOINERS}](?<!{_SHOWN}\ufe0f\u200d)")


def printable(text: str, limit: int = 500) -> str:
    """The text on one line, characters of the table escaped as \\x1b or \\u202e.

    Of a longer text the first ``limit`` characters, and a note on how many are left out.
    """
    shown = escaped(text[:limit])
    left_out = len(text) - limit
    return f"{shown}… ({left_out:,} more characters)" if left_out > 0 else shown


def escaped(text: str, keep: str = "") -> str:
    """The text with every character of the table as \\x1b, \\u202e or \\U000e0041.

    Those in ``keep`` stay: a page shows a text's own lines, a terminal's message is one.
    """
    if text.isascii() and text.isprintable():  # most of what a log says
        return text
    return _UNSAFE.sub(lambda match: match.group() if match.group() in keep else _escape(match), text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def first_line(error: object) -> str:
    """Return the first line of what an error says, or the name of its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
