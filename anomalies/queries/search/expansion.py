"""The words of a search as parameters of the filters: the address ``q=status:pending`` filters by status.

A word yields the parameter that the form's field would, so both find, count and bound the same. What words
and form give for one filter is joined by "and", as filters are; several words with alternatives of one filter
(statuses, streams, reasons) are joined by "or". What can't be joined is a problem of that filter, which then
finds nothing: to ignore one of both would show, and decide about, too many rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import django_filters as df
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages.words import both, either

from . import values
from .grammar import Operators, Part, Text, Word, formatted, looks_like, parsed

Q = "q"
# Characters. PostgreSQL parses a search query recursively; some thousands of words overflow its stack.
LONGEST_SEARCH = 1_000
# A spelling of a word without its value, such as "status:" or "-tag:", with the filters that it sets. With a
# comma at its end it is that of a value with commas.
Vocabulary = Mapping[str, Sequence[str]]
QUOTE = gettext_lazy("Put it in quotes to search for it as text.")
_NEAR = 0.75  # of difflib's ratio, from 0 to 1: "sorce" is near "source", "error" is near no key


@dataclass(frozen=True, slots=True)
class Expansion:
    """The parameters ``data`` of an address with its words expanded; ``q`` is the text that is left.

    ``parts`` are those of the search, ``words`` those that set each filter, ``problems`` a sentence for each
    filter that can't be set, ``hints`` sentences about text that looks like a word.
    """

    data: QueryDict
    parts: tuple[Part, ...] = ()
    words: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    hints: tuple[str, ...] = ()

    def without(self, *names: str) -> str:
        """The search without the words of these filters; without its text for ``q``."""
        left_out = {word for name in names for word in self.words.get(name, ())}
        return formatted(
            part
            for part in self.parts
            if (Q not in names if isinstance(part, Text) else part not in left_out)
        )


def expanded(data: QueryDict, filters: Mapping[str, df.Filter], vocabulary: Vocabulary) -> Expansion:
    """The parameters of an address with the words of its search expanded.

    A search that is too long is left as it is: its field refuses it.
    """
    search = data.get(Q) or ""
    if not search.strip() or len(search) > LONGEST_SEARCH:
        return Expansion(data)
    parts = parsed(search, operators_of(vocabulary))
    texts = [part for part in parts if isinstance(part, Text)]
    hints = tuple(hint for text in texts if (hint := _hint(text, vocabulary)))
    if len(texts) == len(parts):
        return Expansion(data, parts, hints=hints)
    merged, words, problems = data.copy(), _by_filter(parts, vocabulary), {}
    for name, own in words.items():
        form = [value for value in data.getlist(name) if value]
        merged_values, problem = _merged(filters[name], form, own, vocabulary)
        merged.setlist(name, merged_values)
        if problem:
            problems[name] = problem
    del merged[Q]
    if texts:
        merged[Q] = formatted(texts)
    return Expansion(merged, parts, words, problems, hints)


def operators_of(vocabulary: Vocabulary) -> Operators:
    """The keys with their operators."""
    return frozenset(_key_of(spelling) for spelling in vocabulary)


def _key_of(spelling: str) -> tuple[str, str]:
    bare = spelling.strip("-,")
    key = bare.rstrip("<>=:")
    return key, bare[len(key) :]


def _by_filter(parts: Sequence[Part], vocabulary: Vocabulary) -> dict[str, tuple[Word, ...]]:
    pairs = [
        (name, part) for part in parts if isinstance(part, Word) for name in _filters_of(part, vocabulary)
    ]
    ordered = sorted(pairs, key=lambda pair: pair[0])
    return {name: tuple(word for __, word in own) for name, own in groupby(ordered, lambda pair: pair[0])}


def _filters_of(word: Word, vocabulary: Vocabulary) -> Sequence[str]:
    """The filters that a word sets; of one that can't exclude, the filter that has the problem."""
    bare = f"{word.key}{word.operator}"
    spelled = f"-{bare}" if word.is_excluding else bare
    if "," in word.value and f"{spelled}," in vocabulary:
        return vocabulary[f"{spelled},"]
    return vocabulary.get(spelled) or vocabulary[bare]


def _merged(
    each: df.Filter, form: list[str], words: Sequence[Word], vocabulary: Vocabulary
) -> tuple[list[str], str]:
    """The values of a filter's parameter, and a sentence if form and words can't be joined."""
    for word in words:
        if word.is_excluding and f"-{word.key}{word.operator}" not in vocabulary:
            return form or [word.value], _("%(word)s: this filter can't exclude. %(quote)s") % {
                "word": word,
                "quote": QUOTE,
            }
        if not word.value.strip(" ,"):
            return form or [word.value], _("%(word)s has no value.") % {"word": word}
    found = values.joined(each, form, words)
    if found is None:
        said = [str(word) for word in words]
        also = [_("%(values)s (set in the filter)") % {"values": either(form)}] if form else []
        return form or [words[0].value], _("%(words)s contradict each other.") % {
            "words": both([*said, *also])
        }
    return found, ""


def _hint(text: Text, vocabulary: Vocabulary) -> str:
    """A sentence about a text that has the form of a word; '' for any other text."""
    found = looks_like(text)
    if found is None:
        return ""
    near = difflib.get_close_matches(
        found[0], {key for key, __ in operators_of(vocabulary)}, n=1, cutoff=_NEAR
    )
    if not near:
        return ""
    spelled = [
        spelling
        for spelling in vocabulary
        if _key_of(spelling)[0] == near[0] and not set(spelling) & {"-", ","}
    ]
    near_ones = either(f"{spelling}…" for spelling in spelled)
    return _("“%(text)s” was searched as text. Did you mean %(words)s?") % {"text": text, "words": near_ones}
