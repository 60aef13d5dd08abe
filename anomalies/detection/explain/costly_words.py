"""The words of a line that carry most of its cost.

The code length of a line is the sum of its tokens' (`scoring.token_model`), so the fewest tokens that make up
a given share of it are the dearest ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SHARE = 0.8  # of a line's bits that the words named make up
_GLUE = frozenset("=:./-@%+*\\|~^'\"()[]{}<>,;#&_!?")  # written without spaces around it more often than with


@dataclass(frozen=True, slots=True)
class CostlyToken:
    """A word or phrase of a line: its text, the position of its first token from 0, and what it costs."""

    text: str
    position: int
    bits: float


def costly(
    tokens: Sequence[str], bits: Sequence[float], most: int = 5, line: str = ""
) -> tuple[CostlyToken, ...]:
    """Return the fewest tokens that make up 80 % of a line's bits, `most` at most, dearest first.

    Neighbours among them are one phrase, quoted from the `line` that the tokens were cut from where it is
    given. `bits` may have one number more, for the line's end, which is left out. Of equal ones the earlier.
    """
    if len(bits) not in (len(tokens), len(tokens) + 1):
        raise ValueError(f"{len(tokens)} tokens and {len(bits)} costs: there must be one for each token")
    chosen = _dearest(bits[: len(tokens)], most)
    starts = spans(line, tokens) if line else []
    phrases = []
    for first, last in _runs(chosen):
        text = _quoted(line, starts[first][0], starts[last][1]) if line else _joined(tokens[first : last + 1])
        phrases.append(CostlyToken(text, first, sum(bits[first : last + 1])))
    return tuple(sorted(phrases, key=lambda phrase: (-phrase.bits, phrase.position)))


def spans(line: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Return where each of a line's tokens begins and ends in it; between them is only white space."""
    places, end = [], 0
    for token in tokens:
        start = line.index(token, end)
        end = start + len(token)
        places.append((start, end))
    return places


def _dearest(bits: Sequence[float], most: int) -> list[int]:
    """The positions of the dearest tokens, in the order of the line."""
    enough, covered, chosen = _SHARE * sum(bits), 0.0, []
    for position in sorted(range(len(bits)), key=lambda place: (-bits[place], place))[: max(0, most)]:
        if covered >= enough or bits[position] <= 0:
            break
        chosen.append(position)
        covered += bits[position]
    return sorted(chosen)


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position - 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


def _quoted(line: str, start: int, end: int) -> str:
    """The line from one place to another, a mask such as `<time>` with its brackets."""
    masked = line[start - 1 : start] == "<" and line[end : end + 1] == ">"
    return line[start - 1 : end + 1] if masked else line[start:end]


def _joined(tokens: Sequence[str]) -> str:
    text = ""
    for before, token in zip(["", *tokens], tokens, strict=False):
        glued = not before or before in _GLUE or token in _GLUE
        text += token if glued else " " + token
    return text
