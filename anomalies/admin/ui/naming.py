"""The name of an anomaly in a heading, a tab's title, a breadcrumb and a message: its headline."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from anomalies.queries.card.headline import headline

from .formatting import visible

HEADING, TITLE = 240, 90  # characters of a name that has a line of its own, and of one within others


def name_of(anomaly: Any, limit: int = TITLE) -> str:
    """Return the name of an anomaly that was read ``with_headline``, safe to show, cut at ``limit``."""
    text = headline(anomaly.said, anomaly.odd_text) or _("%(stream)s anomaly") % {
        "stream": anomaly.get_stream_type_display()
    }
    return visible(text[: limit - 1]) + "…" if len(text) > limit else visible(text)


def source_of(anomaly: Any) -> str:
    """Return the name of an anomaly's source; of its stream where it names none."""
    return visible(anomaly.source, 60) if anomaly.source else str(anomaly.get_stream_type_display())
