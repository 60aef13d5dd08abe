"""The claims of an OpenID Connect provider about a person, as this product uses them. Pure computation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anomalies.permissions import ROLES

LONGEST_SUBJECT = 191  # characters of the column that stores it
_LONGEST_NAME = 150
_NOT_IN_NAMES = re.compile(r"[^\w.@+-]+")


@dataclass(frozen=True, slots=True)
class Claims:
    """A person as the provider names one: ``subject`` is unique at the ``issuer`` and never changes.

    ``email`` is empty unless the provider has verified it; ``is_multi_factor`` is true if the provider states
    that it asked for several factors (``amr`` has ``mfa``, RFC 8176).
    """

    issuer: str
    subject: str
    username: str
    email: str
    groups: frozenset[str]
    is_multi_factor: bool = False


def claims_of(token: Mapping[str, Any], groups_claim: str) -> Claims:
    """The claims of a verified ID token, with those of the userinfo endpoint added.

    A claim of another type than it should have counts as missing.
    """
    email = _text(token.get("email"))
    is_verified = token.get("email_verified") is True or token.get("email_verified") == "true"
    wanted = (token.get("preferred_username"), email, token["sub"])
    return Claims(
        issuer=token["iss"],
        subject=token["sub"],
        username=next(filter(None, map(_as_username, wanted)), "account"),
        email=email if is_verified else "",
        groups=frozenset(_groups(token, groups_claim)),
        is_multi_factor="mfa" in _listed(token.get("amr")),
    )


def roles_of(claims: Claims, roles: Mapping[str, str]) -> set[str]:
    """The roles of the groups that the provider named; groups without a role give none."""
    return {role for group, role in roles.items() if group in claims.groups and role in ROLES}


def has_groups(token: Mapping[str, Any], groups_claim: str) -> bool:
    """True if the claim of the groups is there at all."""
    return _at(token, groups_claim) is not None


def _groups(token: Mapping[str, Any], claim: str) -> Iterable[str]:
    found = _at(token, claim)
    return filter(None, map(_text, _listed([found] if isinstance(found, str) else found)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(token: Mapping[str, Any], claim: str) -> Any:
    """The value of a claim; of nested ones by a path with dots, such as ``realm_access.roles``."""
    if claim in token:
        return token[claim]
    found: Any = token
    for name in claim.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) and "\0" not in value else ""


def _as_username(value: Any) -> str:
    """A name that Django's accounts allow: letters, digits and @ . + - _, at most 150 characters."""
    return _NOT_IN_NAMES.sub("-", _text(value)).strip("-")[:_LONGEST_NAME]
