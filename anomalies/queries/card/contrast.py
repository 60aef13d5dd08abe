"""The odd line of an anomaly over the usual line that is most like it, word by word, with its context.

The nearest line is that of the explanation (``detection.explain.nearest_line``). The difference is a longest
matching subsequence of words (Ratcliff & Metzener, "Pattern matching: the Gestalt approach", Dr. Dobb's
Journal, 1988, by ``difflib``), over masked words: two times or two request numbers do not differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from anomalies.detection.explain.nearest_line import Neighbours
from anomalies.detection.explain.sentence import body_of
from anomalies.detection.scoring.masking import normalise

from ..evidence_events import Event

AROUND = 3  # lines of context on each side
MOST_LINES = 300  # of the baseline that are compared
MOST_CHARACTERS = 1_000  # of a line
_MOST_WORDS = 200  # of a line that are compared; the rest is one piece
_UNIT = re.compile(r"\s+|[^\s,;&(){}\[\]]+|[,;&(){}\[\]]")

Kind = str  # "same", "added" (only in the odd line) or "missing" (only in the usual one)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line, and how it compares with the other line: same, added or missing."""

    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Contrast:
    """The odd line with up to AROUND lines before and after it, and the usual line that is most like it.

    ``place`` is its index in the window. ``usual`` is None where nothing in the baseline is like it.
    ``is_marked``: the detector named the line; otherwise it is the first that the baseline does not have.
    """

    place: int
    odd: Event
    before: tuple[Event, ...]
    after: tuple[Event, ...]
    compared: int
    usual: Event | None
    similarity: float
    odd_pieces: tuple[Piece, ...]
    usual_pieces: tuple[Piece, ...]
    is_marked: bool


def contrast(window: Sequence[Event], baseline: Sequence[Event], odd_line: object = None) -> Contrast | None:
    """Compare the odd line of a window with a baseline; None where no line stands out.

    ``odd_line`` is the number of the line that the detector named, if any.
    """
    usual = [normalise(_cut(event.text)) for event in baseline[:MOST_LINES]]
    place, is_marked = _place(window, odd_line), True
    if place is None:
        place, is_marked = _first_new(window[:MOST_LINES], set(usual)), False
    if place is None:
        return None
    odd = window[place]
    near = Neighbours(usual).nearest(normalise(_cut(odd.text))) if usual else None
    found = baseline[near.index] if near else None
    odd_pieces, usual_pieces = difference(_body(odd), _body(found) if found else None)
    return Contrast(
        place,
        odd,
        _without_times(window[max(0, place - AROUND) : place]),
        _without_times(window[place + 1 : place + 1 + AROUND]),
        len(usual),
        found,
        near.similarity if near else 0.0,
        odd_pieces,
        usual_pieces,
        is_marked,
    )


def difference(odd: str, usual: str | None) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return the pieces of both lines; without a usual line the odd one is one piece, the same."""
    if usual is None:
        return (Piece(odd, "same"),), ()
    left, right = _units(usual), _units(odd)
    matcher = SequenceMatcher(None, [*map(_masked, left)], [*map(_masked, right)], autojunk=False)
    odd_pieces, usual_pieces = [], []
    for tag, a, b, c, d in matcher.get_opcodes():
        same = tag == "equal"
        usual_pieces.append(Piece("".join(left[a:b]), "same" if same else "missing"))
        odd_pieces.append(Piece("".join(right[c:d]), "same" if same else "added"))
    return _joined(odd_pieces), _joined(usual_pieces)


def _place(window: Sequence[Event], odd_line: object) -> int | None:
    """The index of the line that the detector named; else of the first one that it marked."""
    named = (at for at, event in enumerate(window) if event.number is not None and event.number == odd_line)
    marked = (at for at, event in enumerate(window) if event.odd)
    return next(named, next(marked, None))


def _first_new(window: Sequence[Event], usual: set[str]) -> int | None:
    """The index of the first line of the window that no line of the baseline equals once masked."""
    return next((at for at, event in enumerate(window) if normalise(_cut(event.text)) not in usual), None)


def _units(text: str) -> list[str]:
    units = _UNIT.findall(text)
    return [*units[:_MOST_WORDS], *filter(None, ["".join(units[_MOST_WORDS:])])]


def _masked(unit: str) -> str:
    return " " if unit.isspace() else normalise(unit)


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces without empty ones; white space alone does not count as a difference."""
    kept = [Piece(each.text, "same") if each.text.isspace() else each for each in pieces if each.text]
    joined: list[Piece] = []
    for piece in kept:
        if joined and joined[-1].kind == piece.kind:
            joined[-1] = Piece(joined[-1].text + piece.text, piece.kind)
        else:
            joined.append(piece)
    return tuple(joined)


def _without_times(lines: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(replace(line, text=_body(line)) for line in lines)


def _body(event: Event) -> str:
    """The text without the time that it begins with, which differs from line to line."""
    return _cut(body_of(event.text[: 2 * MOST_CHARACTERS]))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
