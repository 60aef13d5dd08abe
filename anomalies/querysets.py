"""The questions that are asked of many anomalies, in the desk's words.

A queryset is built from the others; surfaces ask these and write no lookups of their own.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models import Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Concat, Left

# Enough for any explanation; a tsvector holds 1 MB at most, and a longer text would refuse the row.
SEARCHED_CHARACTERS = 100_000
SEARCH_CONFIG = "simple"  # logs are not prose: no stemming, no stop words

_MINUSES = re.compile(r"-[-\W]*-")


def search_document() -> SearchVector:
    """The expression of full-text search, equal to that of the index ``idx_anomalies_search``."""
    return SearchVector(
        Left("glass_box_explanation", SEARCHED_CHARACTERS),
        Left("notes", SEARCHED_CHARACTERS),
        config=SEARCH_CONFIG,
    )


def _about(name: str) -> Coalesce:
    """The value of a metadata key as text, truncated."""
    return Coalesce(Left(KeyTextTransform(name, "metadata"), 200), Value(""))


class AnomalyQuerySet(models.QuerySet[Any]):
    """Anomalies, narrowed in the words of the desk."""

    EVIDENCE = ("baseline_data", "window_data", "detailed_explanation")

    def without_evidence(self) -> AnomalyQuerySet:
        """Leave the wide columns in the database: a page of them can weigh megabytes."""
        return self.defer(*self.EVIDENCE)

    def for_list(self) -> AnomalyQuerySet:
        """Select only the columns that a row of a list shows.

        ``headline`` is the explanation's beginning, ``origin`` names the host and service, as text.
        """
        shown = ("timestamp", "stream_type", "status", "ncd_score", "p_value", "novelty", "version")
        held = ("assigned_to", "snoozed_until", "snooze_ncd_above", "snooze_more", "snoozed_by", "snoozed_at")
        rows: AnomalyQuerySet = self.annotate(
            headline=Left("glass_box_explanation", 300),
            origin=Concat(_about("host"), Value("\x1f"), _about("service")),
        ).only(*shown, *held, "is_statistically_significant", "compression_ratio_change", "tags")
        return rows

    def search(self, words: str) -> AnomalyQuerySet:
        """Explanation or notes hold these words, as web search has it: ``deadlock -test "lost client"``."""
        # A minus of a minus is no more than one, and PostgreSQL's parser holds 31 of them.
        query = SearchQuery(_MINUSES.sub("-", words), config=SEARCH_CONFIG, search_type="websearch")
        rows: AnomalyQuerySet = self.alias(document=search_document()).filter(document=query)
        return rows
