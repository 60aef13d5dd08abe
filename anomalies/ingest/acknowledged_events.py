"""Acknowledged events, for the detector: they must not be learned as normal."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from anomalies.detection import Acknowledged
from anomalies.models import Anomaly, Status
from anomalies.privacy.masks import has_mark

MOST = 2_000  # episodes of a source, the newest; a stream's memory is shorter than what they span


def acknowledged_of(stream_type: str, file: str, host: str | None) -> Acknowledged:
    """The acknowledged anomalies that our detector found in this source before."""
    origin = {"detector": "driftlock", "file": file, **({"host": host} if host else {})}
    rows = (
        Anomaly.objects.filter(stream_type=stream_type, status=Status.ACKNOWLEDGED, metadata__contains=origin)
        .order_by("-timestamp", "-id")
        .values_list("metadata", "window_data")[:MOST]
    )
    spans, texts = [], {}
    with transaction.atomic():  # behind a pooler a cursor lives no longer than a transaction
        for metadata, window in rows.iterator(chunk_size=50):
            span = (metadata.get("first_line"), metadata.get("last_line"))
            if all(type(number) is int for number in span):
                spans.append(span)
                texts.update(_texts(window))
    return Acknowledged(spans, texts)


def _texts(window: Any) -> dict[int, str]:
    """The evidence's lines by number; others may have written it in another form.

    A line of which a part was masked is left out: what it said can't be compared.
    """
    lines = [one for one in window if isinstance(one, dict)] if isinstance(window, list) else []
    return {
        one["line"]: one["text"]
        for one in lines
        if type(one.get("line")) is int and isinstance(one.get("text"), str) and not has_mark(one["text"])
    }
