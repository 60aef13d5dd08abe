"""A detector's findings as rows of ``anomalies``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from anomalies.detection import ContextLine, Evidence, Finding
from anomalies.thresholds import Thresholds

from .identity import content_id

# The time part of the id of a finding that has no time of its own: it must not depend on when it was found.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of findings: ``name`` of the source as anomalies keep it, host, stream, tags, the config and
    thresholds they were found with, and ``about``, what else is known of it."""

    name: str
    stream_type: str
    config_id: int
    thresholds: Thresholds
    host: str | None = None
    tags: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def row_of(finding: Finding, origin: Origin, untimed: datetime) -> dict[str, Any]:
    """The values of one anomaly by column, JSON ones as bytes; ``untimed`` stands in for a missing time."""
    return {
        "id": finding_id(finding, origin),
        "timestamp": finding.timestamp or untimed,
        "stream_type": origin.stream_type,
        "ncd_score": finding.ncd_score,
        "p_value": finding.p_value,
        "glass_box_explanation": finding.explanation,
        "detailed_explanation": finding.detailed_explanation,
        "compression_baseline": finding.compression_baseline,
        "compression_window": finding.compression_window,
        "compression_combined": finding.compression_combined,
        "compression_ratio_change": finding.compression_ratio_change,
        "baseline_entropy": finding.baseline_entropy,
        "window_entropy": finding.window_entropy,
        "entropy_change": finding.entropy_change,
        "confidence_level": 1 - finding.p_value,
        "is_statistically_significant": finding.is_significant,
        "baseline_data": msgspec.json.encode([*map(_line, finding.baseline)]),
        "window_data": msgspec.json.encode([*map(_line, finding.window)]),
        "metadata": msgspec.json.encode(_metadata(finding, origin)),
        "tags": list(origin.tags),
        "novelty": finding.novelty,
    }


def finding_id(finding: Finding, origin: Origin) -> UUID:
    """The same for the same window of the same source, so that a file can be read again.

    What comes before the first flagged window names it, and not the thresholds or the end of the episode: a
    file that grew, or a config that was copied, finds the same anomaly again and not a second one.
    """
    place: tuple[object, ...] = (
        origin.stream_type,
        origin.host,
        finding.first_line,
        [line.text for line in finding.baseline],
    )
    if origin.about:
        place += (origin.name,)  # of a stream: its name stays, where a file's may change as logs are rotated
    if finding.review:
        place += ("review",)  # what another config flags is another finding
    content = hashlib.sha256(msgspec.json.encode(place)).digest()
    return content_id(_NO_TIME if finding.timestamp is None else finding.timestamp, content)


def _line(line: ContextLine | Evidence) -> dict[str, Any]:
    """A line of evidence as JSON; without values and time where it has none."""
    shown = asdict(line)
    values, at = shown.pop("values"), shown.pop("at")
    return shown | ({"values": dict(values)} if values else {}) | ({"at": at} if at else {})


def _metadata(finding: Finding, origin: Origin) -> dict[str, Any]:
    about = {
        "detector": "driftlock",
        "file": origin.name,
        "host": origin.host,
        "first_line": finding.first_line,
        "last_line": finding.last_line,
        "odd_line": finding.oddest_line or None,
        "windows": finding.windows,
        "window_novelty": finding.window_novelty,
        "p_value_method": finding.p_value_method,
        "history": finding.history,
        "provisional": finding.is_provisional or None,
        "review": finding.review or None,
        "config_id": origin.config_id,
        "thresholds": asdict(origin.thresholds),
    }
    return {name: value for name, value in {**origin.about, **about}.items() if value is not None}
