"""What writes and keeps the record: its triggers and functions, as they are and as they should be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from django.db import connection

from anomalies.schema import catalog

TABLES = (
    "anomalies",
    "detection_config",
    "audit_log",
    "audit_seals",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
)
EXPECTED = Path(__file__).with_name("guards.json")


def guards() -> dict[str, str]:
    """The triggers, rules and policies on what is recorded, and every function: name → hash."""
    return {
        f"{kind} {name}": hashlib.sha256(definition.encode()).hexdigest()
        for (kind, name), definition in sorted(catalog.read(connection).items())
        if kind == "function" or (kind in ("trigger", "rule", "policy") and _table(name) in TABLES)
    }


def expected() -> dict[str, str]:
    """The guards that the migrations make; ``scripts/guards.py`` writes them down, a test compares."""
    guards: dict[str, str] = json.loads(EXPECTED.read_text())
    return guards


def differences() -> list[str]:
    """What is missing, changed, disabled or extra, in words."""
    should, are = expected(), guards()
    words = [f"{name} is missing" for name in should.keys() - are.keys()]
    words += [f"{name} is not ours" for name in are.keys() - should.keys() if not name.startswith("function")]
    changed = [name for name in should.keys() & are.keys() if should[name] != are[name]]
    return sorted(words + [f"{name} is changed or disabled" for name in changed])


def fingerprint() -> str:
    """One hash of the guards as they are, which each seal bears."""
    ours = expected()
    live = guards().items()
    kept = {name: said for name, said in live if name in ours or not name.startswith("function")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _table(name: str) -> str:
    return name.rpartition(" on ")[2]
