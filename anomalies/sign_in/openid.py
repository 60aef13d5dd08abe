"""OpenID Connect: the request to the provider, and the verified claims of its answer.

django-allauth exchanges the code (with PKCE and a state that is used once). It leaves out the signature of an
ID token that came from the token endpoint, has no nonce, and takes the issuer's name from the fetched
configuration. All three are checked here (OpenID Connect Core 1.0, 3.1.3.7; Discovery 1.0, 4.3).
"""

from __future__ import annotations

import secrets
from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from .claims import LONGEST_SUBJECT, Claims, claims_of, has_groups
from .configured import oidc

PROVIDER = "oidc"
CALLBACK = "sign_in_callback"
# Signatures by a key pair alone: with HS256 the client secret would be a key, and "none" is no signature.
_ALGORITHMS = [f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)] + ["EdDSA"]
_LEEWAY = 60  # seconds that the clocks may differ
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderError(Exception):
    """The provider does not answer, or what it says is not valid; the message is for the operator."""


class _Adapter(OpenIDConnectOAuth2Adapter):
    """allauth's client of the provider, with a configuration that names the configured issuer."""

    def get_provider(self) -> Any:
        return _provider(self.request)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return request.build_absolute_uri(reverse(CALLBACK))

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's configuration. Raises OAuth2Error if it is another issuer's or lacks an address."""
        if not hasattr(self, "_openid_config"):
            found = _fetched(f"{oidc().issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != oidc().issuer:
                raise OAuth2Error(f"the configuration is of the issuer {found.get('issuer')!r}")
            missing = [name for name in _ENDPOINTS if not isinstance(found.get(name), str)]
            if missing:
                raise OAuth2Error(f"the configuration lacks {', '.join(missing)}")
            self._openid_config = found
        return self._openid_config


def redirect_to_provider(request: HttpRequest, onward: str) -> HttpResponse:
    """A redirect to the provider's page; ``onward`` is the address of this site that follows the sign-in.

    Raises ProviderError.
    """
    nonce = secrets.token_urlsafe(24)
    asked = {"auth_params": {"nonce": nonce}, "nonce": nonce}
    try:
        response: HttpResponse = _provider(request).redirect(request, "login", next_url=onward, **asked)
    except (OAuth2Error, requests.RequestException) as error:
        raise ProviderError(str(error)) from error
    return response


def answer_of_provider(request: HttpRequest) -> tuple[Claims, str]:
    """The verified claims of the person whom the provider sent back, and the address that follows.

    Raises ProviderError for an answer that is not to a request of this browser, or is not valid.
    """
    state = statekit.unstash_state(request, provider_id=PROVIDER, state_id=request.GET.get("state", ""))
    if state is None:
        raise ProviderError("the state is not of a request that this browser made in the last ten minutes")
    if "code" not in request.GET:
        raise ProviderError(f"the provider answered {request.GET.get('error', 'without a code')[:100]!r}")
    try:
        token = _identity(request, state)
    except (OAuth2Error, requests.RequestException, jwt.PyJWTError) as error:
        raise ProviderError(f"{type(error).__name__}: {error}") from error
    return claims_of(token, oidc().groups_claim), state["next"]


def _identity(request: HttpRequest, state: dict[str, Any]) -> dict[str, Any]:
    """The claims of the ID token, and those of the userinfo endpoint if the token has no groups."""
    adapter = _Adapter(request, PROVIDER)
    client = adapter.get_client(request, _app())
    answer = client.get_access_token(request.GET["code"], pkce_code_verifier=state["pkce_code_verifier"])
    token = verified(answer.get("id_token"), adapter.openid_config["jwks_uri"], state["nonce"])
    if has_groups(token, oidc().groups_claim) or "userinfo_endpoint" not in adapter.openid_config:
        return token
    more = _fetched(
        adapter.openid_config["userinfo_endpoint"], Authorization=f"Bearer {answer['access_token']}"
    )
    if more.get("sub") != token["sub"]:
        raise OAuth2Error("the userinfo endpoint answered for another subject")
    return {**more, **token}


def verified(id_token: Any, keys_address: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token with a valid signature, issuer, audience, time and nonce.

    Raises jwt.PyJWTError, OAuth2Error or requests.RequestException.
    """
    if not isinstance(id_token, str):
        raise OAuth2Error("the token endpoint sent no ID token")
    token: dict[str, Any] = jwt.decode(
        id_token,
        key=_key(jwt.get_unverified_header(id_token).get("kid"), _fetched(keys_address)),
        algorithms=_ALGORITHMS,
        issuer=oidc().issuer,
        audience=oidc().client_id,
        leeway=_LEEWAY,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
    )
    if not secrets.compare_digest(str(token["nonce"]).encode(), nonce.encode()):
        raise OAuth2Error("the nonce is not the one of this sign-in")
    is_shared = isinstance(token["aud"], list) and len(token["aud"]) > 1
    if token.get("azp", None if is_shared else oidc().client_id) != oidc().client_id:
        raise OAuth2Error("the ID token was made for another client")
    if not 0 < len(token["sub"]) <= LONGEST_SUBJECT or "\0" in token["sub"]:
        raise OAuth2Error(f"the subject is empty or longer than {LONGEST_SUBJECT} characters")
    return token


def _key(key_id: str | None, keys: dict[str, Any]) -> jwt.PyJWK:
    """The key of this id among the provider's; the only one if neither has an id."""
    known = jwt.PyJWKSet.from_dict(keys).keys
    found = [key for key in known if key.key_id == key_id] if key_id else known
    if len(found) != 1:
        raise OAuth2Error(f"the provider has {len(found)} keys of the id {key_id!r}")
    return found[0]


def _fetched(address: str, **headers: str) -> dict[str, Any]:
    with get_adapter().get_requests_session() as session:
        response = session.get(address, headers=headers, allow_redirects=False)
        response.raise_for_status()
        found = response.json()
    if not isinstance(found, dict):
        raise OAuth2Error(f"{address} did not answer with a JSON object")
    return found


def _app() -> SocialApp:
    named = oidc()
    options = {"server_url": named.issuer, "scope": list(named.scopes), "oauth_pkce_enabled": True}
    app = SocialApp(provider="openid_connect", provider_id=PROVIDER, name=named.name, settings=options)
    app.client_id, app.secret = named.client_id, named.client_secret
    return app


def _provider(request: HttpRequest) -> OpenIDConnectProvider:
    provider = OpenIDConnectProvider(request, app=_app())
    provider.oauth2_adapter_class = _Adapter
    return provider
