"""The headline of an anomaly: its odd line, or the sentence of the view that reported it.

An explanation that begins with a quoted line is about that line, which is in the evidence in full; the rule
is that of a pattern's template (migration 0041). Any other explanation begins with a sentence of its own.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, QuerySet, TextField
from django.db.models.functions import Left
from django.db.models.sql.compiler import SQLCompiler

from anomalies.detection.explain.sentence import message_of

MOST_CHARACTERS = 1_000
_REVIEW = "For review: "
# The quoted text is the first part of what a view says about several lines.
_SEVERAL = ("” and lines like it: ", "” right after “")
_CHANGED = re.compile(r"“[^”]*” (?:where “[^”]*” is usual|added|missing)[^:]*: (.+?) \((?:line|record) [0-9]")
_QUOTED = re.compile(r"“(.+?)”(?: \(| came )")


class OddText(Func):
    """The text of the odd line in ``window_data``: line ``odd_line`` of ``metadata``, or the first odd one.

    NULL where the detector marked none.
    """

    output_field = TextField()
    template = (
        "left(coalesce(CASE WHEN jsonb_typeof(%(about)s -> 'odd_line') = 'number' THEN "
        "jsonb_path_query_first(%(window)s, '$[*] ? (@.line == $number).text', "
        "jsonb_build_object('number', %(about)s -> 'odd_line'), true) END, "
        "jsonb_path_query_first(%(window)s, '$[*] ? (@.odd == true).text', '{}', true)) #>> '{}', "
        f"{MOST_CHARACTERS})"
    )

    def __init__(self) -> None:
        super().__init__("window_data", "metadata")

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> Any:
        """Insert both columns by name, as each is read more than once."""
        window, about = (compiler.compile(column)[0] for column in self.source_expressions)
        return self.template % {"window": window, "about": about}, []


def with_headline(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate each row with ``odd_text`` and with the beginning of its explanation, ``said``."""
    named: QuerySet[Any] = rows.annotate(
        odd_text=OddText(), said=Left("glass_box_explanation", MOST_CHARACTERS)
    )
    return named


def headline(said: str, odd_text: str | None = None) -> str:
    """Return one line without the time that it begins with; '' where neither text says anything."""
    first = next(iter(said.strip().splitlines()), "").strip().removeprefix(_REVIEW)
    if not first.startswith("“") or any(words in first for words in _SEVERAL):
        return " ".join((first or odd_text or "").split())
    # A record is quoted by its message; the whole of it is JSON, in which nobody finds that.
    whole = odd_text if odd_text and not odd_text.lstrip().startswith(("{", "[{")) else ""
    return message_of(whole or _quoted(first))


def _quoted(sentence: str) -> str:
    match = _CHANGED.match(sentence) or _QUOTED.match(sentence)
    return match[1] if match else sentence
