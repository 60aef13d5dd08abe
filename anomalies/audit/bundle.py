"""An evidence bundle: one anomaly with all that was decided about it, signed, for who has no database.

The bundle is JSON; its signature is over the canonical bytes of RFC 8785 (JCS). JSON columns and entries of
the record are texts in it, as PostgreSQL writes them: they hold numbers that no JSON parser keeps.
``scripts/check_evidence.py`` checks it with Python alone.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785
from django.db import transaction
from django.db.models import Model

from anomalies import json_column
from anomalies.models import Anomaly, AuditSeal, DetectionConfig

from . import canonical_rows
from .actor import Actor
from .events import record_event
from .keys import key_id, raw, sealing_key

FORMAT = "driftlock evidence 1"
_JSON = {Anomaly: ("baseline_data", "window_data", "metadata"), DetectionConfig: ("stream_overrides",)}


class NoSuchAnomaly(Exception):
    """There is no anomaly of this id."""


def bundle(anomaly_id: UUID, actor: Actor) -> dict[str, Any]:
    """The signed bundle of an anomaly; that it was made is on record, and not in it.

    Raises NoSuchAnomaly, and KeyProblem without a key to sign with.
    """
    key = sealing_key()
    with transaction.atomic():
        said = _said(anomaly_id, actor)
        said["public_key"] = raw(key.public_key()).hex()
    signature = key.sign(rfc8785.dumps(said)).hex()
    record_event("evidence", actor, "anomaly", anomaly_id, entries=len(said["history"]))
    return {"bundle": said, "key": key_id(key.public_key()), "signature": signature}


def _said(anomaly_id: UUID, actor: Actor) -> dict[str, Any]:
    found = json_column.as_text(Anomaly.objects.filter(pk=anomaly_id), _JSON[Anomaly]).first()
    if found is None:
        raise NoSuchAnomaly(f"there is no anomaly {anomaly_id}")
    entries = list(canonical_rows.rows("resource_type = 'anomaly' AND resource_id = %s", [anomaly_id]))
    ids = [canonical_rows.id_of(row) for row in entries]
    seals = _seals(ids)
    covered = {each for seal in seals for part in seal.ids for each in ids if part.lower <= each < part.upper}
    config_id = json_column.object_of(found.metadata_text).get("config_id")
    return {
        "format": FORMAT,
        "made_at": canonical_rows.moment(datetime.now(UTC)),
        "made_by": actor.username,
        "anomaly": _row(found),
        "config": _config(id=config_id) if isinstance(config_id, int) else None,
        "active_config": _config(is_active=True),
        "history": [row.decode() for row in entries],
        "seals": [_seal(seal, ids) for seal in seals],
        "not_sealed_yet": sorted(set(ids) - covered),
    }


def _seals(ids: list[int]) -> list[AuditSeal]:
    """The seals from the first that covers one of these entries up to the head."""
    if not ids:
        return []
    seals = AuditSeal.objects.extra(
        where=["EXISTS (SELECT FROM unnest(%s::bigint[]) AS i WHERE ids @> i)"], params=[ids]
    )
    first = seals.order_by("number").first()
    return list(AuditSeal.objects.filter(number__gte=first.number).order_by("number")) if first else []


def _seal(seal: AuditSeal, ids: list[int]) -> dict[str, Any]:
    """What a seal says; with the hashes of its rows where it covers an entry of the bundle."""
    covers = any(part.lower <= each < part.upper for part in seal.ids for each in ids)
    told = canonical_rows.said_by(seal) | {"signature": seal.signature, "head": seal.head}
    return told | ({"hashes": bytes(seal.row_hashes).hex()} if covers else {})


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
        return canonical_rows.moment(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | list | None) else str(value)
