"""Keys to seal with, and what an owner can do to the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection

_STATES = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


def new_key() -> str:
    """A private key to seal with, as PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@contextmanager
def tampering(*tables: str) -> Iterator[None]:
    """The triggers of these tables (by default those of the audit log) off, and on again as they were."""
    named = list(tables or ("audit_log", "audit_seals"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_catalog.pg_trigger "
            "WHERE tgrelid = ANY (%s::regclass[]) AND NOT tgisinternal",
            [[f"public.{name}" for name in named]],
        )
        triggers = cursor.fetchall()
        for table, trigger, _ in triggers:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        yield
        for table, trigger, state in triggers:
            cursor.execute(f"ALTER TABLE {table} {_STATES[state]} TRIGGER {trigger}")
