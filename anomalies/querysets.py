"""The queries over many anomalies that rooms share; surfaces call these and write no lookups of their own."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorField
from django.db import models
from django.db.models import Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Concat, Left

# Enough for any explanation; a tsvector holds 1 MB at most, and a longer text would refuse the row.
SEARCHED_CHARACTERS = 100_000
SEARCH_CONFIG = "simple"  # logs are not prose: no stemming, no stop words

_MINUSES = re.compile(r"-[-\W]*-")


def search_document() -> Coalesce:
    """The words that full-text search reads, as the index ``idx_anomalies_words`` holds them.

    A trigger keeps them in their column (migration 0037). A row from before it has none, and is parsed.
    """
    parsed = SearchVector(
        Left("glass_box_explanation", SEARCHED_CHARACTERS),
        Left("notes", SEARCHED_CHARACTERS),
        config=SEARCH_CONFIG,
    )
    return Coalesce("search_document", parsed, output_field=SearchVectorField())


def search_words(words: str) -> str:
    """The words as PostgreSQL's web search takes them: a minus of a minus is one, and its parser holds 31."""
    return _MINUSES.sub("-", words)


def _about(name: str) -> Coalesce:
    """The value of a metadata key as text, truncated."""
    return Coalesce(Left(KeyTextTransform(name, "metadata"), 200), Value(""))


class AnomalyQuerySet(models.QuerySet[Any]):
    """Anomalies as the desk asks for them."""

    EVIDENCE = ("baseline_data", "window_data", "detailed_explanation")

    def without_evidence(self) -> AnomalyQuerySet:
        """Leave the wide columns in the database: a page of them can weigh megabytes."""
        return self.defer(*self.EVIDENCE)

    def for_list(self) -> AnomalyQuerySet:
        """Select only the columns that a row of a list shows.

        ``headline`` is the explanation's beginning, ``origin`` names the host and service, as text.
        """
        shown = ("timestamp", "stream_type", "status", "ncd_score", "p_value", "novelty", "version")
        snooze = ("snoozed_until", "snooze_ncd_above", "snooze_more", "snoozed_by", "snoozed_at")
        more = ("is_statistically_significant", "compression_ratio_change", "tags", "assigned_to", "source")
        rows: AnomalyQuerySet = self.annotate(
            headline=Left("glass_box_explanation", 300),
            origin=Concat(_about("host"), Value("\x1f"), _about("service")),
        ).only(*shown, *more, *snooze)
        return rows

    def search(self, words: str) -> AnomalyQuerySet:
        """Return those that contain the words, in web search's syntax: ``deadlock -test "lost client"``."""
        query = SearchQuery(search_words(words), config=SEARCH_CONFIG, search_type="websearch")
        rows: AnomalyQuerySet = self.alias(document=search_document()).filter(document=query)
        return rows


class LeanManager(models.Manager[Any]):
    """A manager of anomalies that leaves ``search_document`` in the database: only the search reads it."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().defer("search_document")
