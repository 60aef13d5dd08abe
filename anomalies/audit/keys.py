"""The keys that seal and verify: Ed25519 (RFC 8032), as PEM, kept outside the database."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings

from anomalies.atomic_file import write_atomically

_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.S)


class KeyProblem(Exception):
    """A key is missing or can't be used; the message names the fix."""


def make_key(file: Path) -> Path:
    """Write a new private key to ``file`` (mode 0600) and its public key beside it (mode 0644).

    Returns the public key's path. Raises KeyProblem if a file exists already or can't be written.
    """
    key, public = Ed25519PrivateKey.generate(), file.with_name(f"{file.name}.pub")
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path, mode, pem in ((file, 0o600, private_pem), (public, 0o644, public_pem)):
        try:
            write_atomically(path, pem, mode=mode)
        except OSError as error:
            raise KeyProblem(f"{path}: {error.strerror}; a key is never overwritten") from error
    return public


def sealing_key() -> Ed25519PrivateKey:
    """The private key from the settings. Raises KeyProblem if it is missing or not an Ed25519 key."""
    _refuse(settings.SEAL_KEY_PROBLEM)
    if not settings.SEAL_KEY:
        raise KeyProblem("no key to sign with: `audit keygen FILE`, then DRIFTLOCK_SEAL_KEY_FILE=FILE")
    try:
        key = load_pem_private_key(settings.SEAL_KEY.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyProblem("DRIFTLOCK_SEAL_KEY holds no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem("DRIFTLOCK_SEAL_KEY is not an Ed25519 key; `audit keygen FILE` makes one")
    return key


def public_keys() -> dict[str, Ed25519PublicKey]:
    """The public keys from the settings by key id, including that of the private key.

    Raises KeyProblem if there is none or one can't be read.
    """
    _refuse(settings.SEAL_PUBLIC_KEYS_PROBLEM or settings.SEAL_KEY_PROBLEM)
    found = [_public_key(pem) for pem in _PUBLIC.findall(settings.SEAL_PUBLIC_KEYS)]
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if settings.SEAL_KEY:
        keys.append(sealing_key().public_key())
    if not keys:
        raise KeyProblem("no key to verify with: DRIFTLOCK_SEAL_PUBLIC_KEYS_FILE=FILE names the public ones")
    return {key_id(key): key for key in keys}


def _public_key(pem: str) -> PublicKeyTypes:
    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem("DRIFTLOCK_SEAL_PUBLIC_KEYS holds a block that is no public key in PEM") from error


def _refuse(problem: str) -> None:
    if problem:
        raise KeyProblem(f"{problem}; `audit keygen FILE` makes a key pair")


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the key's SHA-256."""
    return hashlib.sha256(raw(key)).hexdigest()[:16]


def raw(key: Ed25519PublicKey) -> bytes:
    """The key's 32 bytes."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def is_signed(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    """True if ``signature`` (hexadecimal) is the key's signature of the message."""
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
