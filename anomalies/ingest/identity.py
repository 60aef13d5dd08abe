"""An id made from what was found, so that reading the same thing twice adds nothing.

The layout is that of a UUIDv7 with version 8 (RFC 9562): the time of the window in milliseconds comes first
and keeps the primary key's index local; the rest is from a SHA-256 over the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol
from uuid import UUID

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# What a detector says. Not what people decide, and not what a program that copies rows would add.
CONTENT = (
    "stream_type ncd_score p_value glass_box_explanation detailed_explanation compression_baseline "
    "compression_window compression_combined compression_ratio_change baseline_entropy window_entropy "
    "entropy_change confidence_level novelty"
).split()


class Row(Protocol):
    """A row as `rows.Row` has it: the columns of CONTENT, and these."""

    timestamp: Any
    is_statistically_significant: bool | None
    tags: list[str] | None


_content_of = attrgetter(*CONTENT)
_sorted = msgspec.json.Encoder(order="sorted")


def content_id(timestamp: datetime, content: bytes) -> UUID:
    """The id of an anomaly from its (aware) time and whatever bytes stand for its content."""
    digest = int.from_bytes(hashlib.sha256(content).digest()[:10], "big")
    time = max(0, (timestamp - _EPOCH) // _MILLISECOND) & 0xFFFF_FFFF_FFFF
    high = (time << 16) | 0x8000 | (digest & 0x0FFF)
    low = (0b10 << 62) | (digest >> 18)
    return UUID(int=(high << 64) | low)


def row_id(row: Row, payloads: Mapping[str, Any]) -> UUID:
    """The id of a row that brings none; ``payloads`` are its JSON columns, parsed.

    The order of keys, white space, the time's zone and whether an empty column is null, its default or
    absent make no difference.
    """
    given = zip(CONTENT, _content_of(row), strict=True)
    content = {name: value for name, value in given if value is not None}
    content |= {name: value for name, value in payloads.items() if value is not None}
    content["timestamp"] = row.timestamp if row.timestamp.tzinfo is UTC else row.timestamp.astimezone(UTC)
    content["is_statistically_significant"] = bool(row.is_statistically_significant)
    content["tags"] = row.tags or []
    return content_id(row.timestamp, _canonical(content))


def _canonical(content: dict[str, Any]) -> bytes:
    try:
        return _sorted.encode(content)
    except OverflowError:  # an integer of more than 64 bits
        return json.dumps(content, sort_keys=True, default=str).encode()
