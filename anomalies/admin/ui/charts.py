"""The overview's charts as SVG: rectangles, a line and text, laid out here, coloured by the style sheet.

A chart has no inline style and no script, but a title and a description, and its figures are in a table below
it: it can be read in dark mode, under a strict Content-Security-Policy, and by a screen reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anomalies.languages import formats

WIDTH = 400
_LINE, _LEFT, _RIGHT = 24, 92, 100
_PLOT, _FOOT = 130, 34
_DIGIT = 7  # the width of a digit


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle; numbers as text, so that no template adds a comma to them. ``tip`` is shown on hover."""

    x: str
    y: str
    width: str
    height: str
    kind: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """Text at a position; ``anchor`` is start, middle or end."""

    x: str
    y: str
    text: str
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Link:
    """A table cell, with a link where there is something to open."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """The shapes, texts and line of a chart, in a box of WIDTH and ``height``."""

    shapes: Sequence[Shape] = ()
    words: Sequence[Word] = ()
    line: str = ""
    height: int = 0
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its summary in a sentence, its link, and the table of its figures."""

    key: str
    title: str
    summary: str
    url: str = ""
    note: str = ""
    legend: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    body: Sequence[Sequence[Link]] = field(default_factory=list)
    drawing: Drawing = field(default_factory=Drawing)

    @property
    def has_data(self) -> bool:
        """True if there is anything to draw."""
        return bool(self.drawing.shapes)


def rectangle(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> Shape:
    """Return a rectangle of a kind that the style sheet colours."""
    return Shape(f"{x:.1f}", f"{y:.1f}", f"{max(width, 0):.1f}", f"{max(height, 0):.1f}", kind, tip)


def word(x: float, y: float, text: str, anchor: str = "start") -> Word:
    """Return a text whose baseline is at y."""
    return Word(f"{x:.1f}", f"{y:.1f}", text, anchor)


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]], str]], full: float) -> Drawing:
    """Draw a bar for each row (name, parts as kind and value, text); ``full`` is the value of a full bar."""
    room = WIDTH - _LEFT - _RIGHT
    shapes, words = [], []
    for number, (name, parts, behind) in enumerate(rows):
        top, x = number * _LINE, float(_LEFT)
        words.append(word(_LEFT - 8, top + 16, _short(name), "end"))
        shapes.append(rectangle(x, top + 4, room, _LINE - 8, "ground"))
        for kind, value in parts:
            width = room * value / full if full else 0
            shapes.append(rectangle(x, top + 4, max(width, 1.5 if value else 0), _LINE - 8, kind))
            x += width
        words.append(word(WIDTH, top + 16, behind, "end"))
    return Drawing(shapes, words, height=len(rows) * _LINE + 2)


def columns(
    values: Sequence[float], labels: Sequence[str], tips: Sequence[str], line: Sequence[float] = ()
) -> Drawing:
    """Draw columns from left to right, a label below each that has one, and a line of other values."""
    top = max([*values, *line, 1])
    left = max(34, 12 + _DIGIT * len(_number(top)))
    room = WIDTH - left
    step = room / len(values)

    def y(value: float) -> float:
        return 10 + _PLOT * (1 - value / top)

    gap = 1 if len(values) > 20 else 6
    shapes = [rectangle(left, y(0), room, 1, "axis")]
    for number, value in enumerate(values):
        if value:
            x, width = left + number * step + gap / 2, step - gap
            shapes.append(rectangle(x, y(value), width, y(0) - y(value), "bar", tips[number]))
    words = [word(left - 6, 16, _number(top), "end"), word(left - 6, y(0), "0", "end")]
    for number, label in enumerate(labels):
        parts = label.split("\n") if label else []
        within = WIDTH - _DIGIT * max(map(len, parts), default=0) / 2  # no label is cut off at the right
        middle = min(left + (number + 0.5) * step, within)
        for deeper, part in enumerate(parts):
            words.append(word(middle, y(0) + 14 + 13 * deeper, part, "middle"))
    points = " ".join(
        f"{left + (number + edge) * step:.1f},{y(value):.1f}"
        for number, value in enumerate(line)
        for edge in (0, 1)
    )
    return Drawing(shapes, words, points, height=10 + _PLOT + _FOOT)


def heat(rows: Sequence[tuple[str, Sequence[int]]], labels: Sequence[str]) -> Drawing:
    """Draw cells in five shades of the highest value, row by row."""
    most = max((value for _, values in rows for value in values), default=0)
    left, step, line = 38, (WIDTH - 38) / 24, 18
    shapes, words = [], []
    for row, (name, values) in enumerate(rows):
        words.append(word(left - 6, row * line + 13, name, "end"))
        for column, value in enumerate(values):
            shade = -(-5 * value // most) if most else 0
            tip = f"{name} {column:02}:00: {formats.count(value)}"
            shapes.append(
                rectangle(left + column * step, row * line, step - 1, line - 1, f"heat-{shade}", tip)
            )
    for column, label in enumerate(labels):
        if label:
            words.append(word(left + column * step, len(rows) * line + 14, label))
    return Drawing(shapes if most else [], words, height=len(rows) * line + 20)


def _number(value: float) -> str:
    return formats.count(value) if value < 10_000 else f"{formats.count(value / 1000)} k"


def _short(name: str, limit: int = 13) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
