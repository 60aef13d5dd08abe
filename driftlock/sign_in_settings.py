"""The settings of signing in: an OpenID Connect provider, local passwords, second factors.

Each function takes the reader of a variable's text, so that the sources of settings stay in one place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ImproperlyConfigured

Read = Callable[..., str]

_EXAMPLE = "sre=analyst, sre-leads=lead"
_LONGEST_ISSUER = 200  # characters of the column that stores it
_LOCAL = r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
_NEEDED = ("CLIENT_ID", "CLIENT_SECRET", "GROUPS")


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """An OpenID Connect provider; ``roles`` has each group's role, ``groups_claim`` names their claim."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: Mapping[str, str]
    name: str = "single sign-on"
    groups_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile", "email")


def oidc_provider(read: Read) -> OidcProvider | None:
    """The provider of DRIFTLOCK_OIDC_ISSUER and the variables beside it; None if that is not set.

    Raises ImproperlyConfigured for a provider that is incomplete or malformed.
    """
    issuer = read("DRIFTLOCK_OIDC_ISSUER")
    given = {name: read(f"DRIFTLOCK_OIDC_{name}") for name in _NEEDED}
    if not issuer:
        if any(given.values()):
            raise ImproperlyConfigured(
                "DRIFTLOCK_OIDC_ISSUER must be set for the other DRIFTLOCK_OIDC_ settings"
            )
        return None
    for name, value in given.items():
        if not value:
            raise ImproperlyConfigured(f"DRIFTLOCK_OIDC_{name} must be set if DRIFTLOCK_OIDC_ISSUER is")
    return OidcProvider(
        issuer=_issuer(issuer),
        client_id=given["CLIENT_ID"],
        client_secret=given["CLIENT_SECRET"],
        roles=_roles(given["GROUPS"]),
        name=read("DRIFTLOCK_OIDC_NAME", "single sign-on"),
        groups_claim=read("DRIFTLOCK_OIDC_GROUPS_CLAIM", "groups"),
        scopes=_scopes(read("DRIFTLOCK_OIDC_SCOPES", "openid profile email")),
    )


def check_passwords(are_on: bool, provider: OidcProvider | None) -> bool:
    """True if local passwords are on. Raises ImproperlyConfigured if nobody could sign in."""
    if not (are_on or provider):
        raise ImproperlyConfigured(
            "DRIFTLOCK_LOCAL_PASSWORDS is off and DRIFTLOCK_OIDC_ISSUER is not set: nobody could sign in."
        )
    return are_on


def _issuer(text: str) -> str:
    is_web = re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", text) or re.fullmatch(
        rf"{_LOCAL}(/[^\s?#]*)?", text
    )
    if not is_web or len(text) > _LONGEST_ISSUER:
        raise ImproperlyConfigured(
            f"DRIFTLOCK_OIDC_ISSUER is {text!r}; it must be the issuer's https address (http on this "
            f"machine only), as its own configuration has it, at most {_LONGEST_ISSUER} characters, such as "
            "https://id.example.org/realms/main"
        )
    return text


def _scopes(text: str) -> tuple[str, ...]:
    scopes = tuple(text.replace(",", " ").split())
    if "openid" not in scopes:
        raise ImproperlyConfigured(f"DRIFTLOCK_OIDC_SCOPES is {text!r}; one of the scopes must be openid.")
    return scopes


def _roles(text: str) -> dict[str, str]:
    """Pairs ``group=role`` between commas, or a JSON object for groups that contain a comma."""
    if text.startswith("{"):
        return _roles_of_json(text)
    pairs = [_pair(part) for part in text.split(",") if part.strip()]
    roles = dict(pairs)
    if len(roles) < len(pairs) or not pairs:
        raise ImproperlyConfigured(f"DRIFTLOCK_OIDC_GROUPS must name each group once, such as {_EXAMPLE}")
    return roles


def _roles_of_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"DRIFTLOCK_OIDC_GROUPS is no valid JSON object: {error}") from error
    if not found or not all(isinstance(role, str) for role in found.values()):
        raise ImproperlyConfigured("DRIFTLOCK_OIDC_GROUPS must give each group the name of one role.")
    return dict(found)


def _pair(text: str) -> tuple[str, str]:
    group, equals, role = text.rpartition("=")
    if not (equals and group.strip() and role.strip()):
        raise ImproperlyConfigured(
            f"DRIFTLOCK_OIDC_GROUPS has {text.strip()!r}; it must be pairs of group=role, such as {_EXAMPLE}"
        )
    return group.strip(), role.strip()


PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

APPS = ("allauth", "allauth.account", "allauth.socialaccount", "allauth.mfa")
# django-allauth, of which only what is named here is used: nobody signs up, and no mail is sent.
ALLAUTH = {
    "ACCOUNT_ADAPTER": "anomalies.sign_in.adapters.AccountAdapter",
    "ACCOUNT_EMAIL_VERIFICATION": "none",
    "ACCOUNT_EMAIL_NOTIFICATIONS": False,
    "ACCOUNT_LOGIN_METHODS": {"username"},
    "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*"],
    "ACCOUNT_RATE_LIMITS": False,
    "MFA_ADAPTER": "anomalies.sign_in.adapters.FactorAdapter",
    "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
    "MFA_TOTP_ISSUER": "Driftlock",
    "MFA_TOTP_TOLERANCE": 1,
    "MFA_FORMS": {
        "add_webauthn": "anomalies.sign_in.forms.AddPasskeyForm",
        "authenticate_webauthn": "anomalies.sign_in.forms.PasskeyForm",
        "reauthenticate_webauthn": "anomalies.sign_in.forms.ConfirmByPasskeyForm",
    },
    "SOCIALACCOUNT_STORE_TOKENS": False,
    "SOCIALACCOUNT_REQUESTS_TIMEOUT": 5,
}
