"""A signed bundle: one anomaly with all decisions and comments about it, for a reader without the database.

The bundle is JSON; its signature is over the canonical bytes of RFC 8785 (JCS). JSON columns and audit
entries are texts in it, as PostgreSQL writes them: they hold numbers that no JSON parser keeps.
``scripts/check_evidence.py`` checks it with Python alone.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785
from django.db.models import Model

from anomalies import json_column
from anomalies.models import Anomaly, AuditSeal, DetectionConfig
from anomalies.schema.search_path import pinned
from anomalies.stored_times import exact

from . import canonical_rows
from .actor import Actor
from .events import record_event
from .keys import key_id, raw, sealing_key
from .seal_rows import seals_over

FORMAT = "driftlock evidence 1"
_JSON = {Anomaly: ("baseline_data", "window_data", "metadata"), DetectionConfig: ("stream_overrides",)}


class NoSuchAnomaly(Exception):
    """There is no anomaly of this id."""


def bundle(anomaly_id: UUID, actor: Actor) -> dict[str, Any]:
    """The signed bundle of an anomaly. Making it adds an audit entry, which is not part of the bundle.

    Raises NoSuchAnomaly for an unknown id and KeyProblem without a key to sign with.
    """
    key = sealing_key()
    with pinned(and_ours=True):
        contents = _contents(anomaly_id, actor)
        contents["public_key"] = raw(key.public_key()).hex()
    signature = key.sign(rfc8785.dumps(contents)).hex()
    record_event("evidence", actor, "anomaly", anomaly_id, entries=len(contents["history"]))
    return {"bundle": contents, "key": key_id(key.public_key()), "signature": signature}


def _contents(anomaly_id: UUID, actor: Actor) -> dict[str, Any]:
    found = json_column.as_text(Anomaly.objects.filter(pk=anomaly_id), _JSON[Anomaly]).first()
    if found is None:
        raise NoSuchAnomaly(f"there is no anomaly {anomaly_id}")
    with pinned() as cursor:
        entries, comments = (
            list(canonical_rows.rows("resource_type = %s AND resource_id = %s", [about, anomaly_id]))
            for about in ("anomaly", "comment")
        )
        ids = sorted(canonical_rows.id_of(row) for row in (*entries, *comments))
        seals = seals_over(cursor, ids)
    covered = {each for seal in seals for part in seal.ids for each in ids if each in part}
    config_id = json_column.object_of(found.metadata_text).get("config_id")
    return {
        "format": FORMAT,
        "made_at": canonical_rows.moment(datetime.now(UTC)),
        "made_by": actor.username,
        "anomaly": _row(found),
        "config": _config(id=config_id) if isinstance(config_id, int) else None,
        "active_config": _config(is_active=True),
        "history": [row.decode() for row in entries],
        "comments": [row.decode() for row in comments],
        "seals": [_seal(seal, ids) for seal in seals],
        "not_sealed_yet": sorted(set(ids) - covered),
    }


def _seal(seal: AuditSeal, ids: list[int]) -> dict[str, Any]:
    """The fields of a seal, with the hashes of its rows if it covers an entry of the bundle."""
    covers = any(each in part for part in seal.ids for each in ids)
    statement = canonical_rows.fields_of(seal) | {"signature": seal.signature, "head": seal.head}
    return statement | ({"hashes": bytes(seal.row_hashes).hex()} if covers else {})


def _config(**which: Any) -> dict[str, Any] | None:
    config = json_column.as_text(DetectionConfig.objects.filter(**which), _JSON[DetectionConfig]).first()
    return None if config is None else _row(config)


def _row(row: Model) -> dict[str, Any]:
    texts = _JSON[type(row)]
    names = [field.column for field in row._meta.concrete_fields]
    return {
        name: getattr(row, f"{name}_text") if name in texts else _value(getattr(row, name)) for name in names
    }


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return exact(value) or canonical_rows.moment(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | list | None) else str(value)
