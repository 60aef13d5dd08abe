"""Text from outside, made safe to show: the one place for it, on a terminal and on a page.

A log line can ring, repaint or clear a terminal, break a message into two, or read backwards.
"""

from __future__ import annotations

import re

# C0 with tab and line end (a message is one line), DEL, C1, marks and overrides of direction, line and
# paragraph separators, invisible tags, and lone surrogates, which no encoding can write.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str, limit: int = 500) -> str:
    """``text`` on one line: what could act on a terminal is shown as \\x1b or \\u202e.

    Of a longer text the first ``limit`` characters, with a word on how many are left out.
    """
    shown = escaped(text[:limit])
    left_out = len(text) - limit
    return f"{shown}… ({left_out:,} more characters)" if left_out > 0 else shown


def escaped(text: str, keep: str = "") -> str:
    """``text`` with every character that could act instead of being read as \\x1b or \\u202e.

    Those in ``keep`` stay: a page shows a text's own lines, a terminal's message is one.
    """
    return _UNSAFE.sub(lambda match: match.group() if match.group() in keep else _escape(match), text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
