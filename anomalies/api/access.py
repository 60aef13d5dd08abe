"""Authentication by token, and the caller as the audit log names it; a session's cookie opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.security import HttpBearer

from anomalies import api_tokens
from anomalies.audit import Actor
from anomalies.models import ApiToken
from anomalies.web.actor import client_address

from . import rates
from .problems import ProblemError

Permission = Callable[[User], bool]


class Token(HttpBearer):
    """Authentication by a token that has a scope and whose owner's role allows what the scope opens.

    401 without a valid token, 429 where its rate limit is reached, 403 for one that lacks the scope or whose
    owner lacks the permission.
    """

    def __init__(self, scope: str, permission: Permission | None = None) -> None:
        super().__init__()
        self.scope = scope
        self.permission = permission

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """Return the token's row; None for an unknown, expired or revoked one."""
        found = api_tokens.find(token)
        if found is None:
            return None
        request.answer_headers = rates.count(found)  # type: ignore[attr-defined]
        if self.scope not in found.scopes:
            opens = ", ".join(found.scopes)
            raise ProblemError(403, f"This token lacks the scope {self.scope}; its scopes: {opens}.")
        if not self._may(found):
            owner = found.owner.get_username()
            opens = self.scope if self.permission is None else "this"
            raise ProblemError(403, f"The token's owner, {owner}, has a role that does not allow {opens}.")
        api_tokens.note_use(found)
        return found

    def _may(self, token: ApiToken) -> bool:
        if self.permission is not None and not self.permission(token.owner):
            return False
        return api_tokens.may(token, self.scope)


def token_of(request: HttpRequest) -> ApiToken:
    """The token that the request was made with."""
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    return token


def caller(request: HttpRequest) -> Actor:
    """The owner, the client's address, the path and the token, as the audit log stores them."""
    token = token_of(request)
    username = token.owner.get_username()
    return Actor(username, client_address(request), via=request.path, token=token.prefix)


def needs(scope: str, **extra: Any) -> dict[str, Any]:
    """The options of a route that needs a scope: authentication, and the scope in the document.

    ``extra`` goes into the document too.
    """
    return {"auth": Token(scope), "openapi_extra": {"x-scope": scope, **extra}}


def needs_too(scope: str, permission: Permission) -> dict[str, Any]:
    """The options of a route whose token's owner needs this permission beside what the scope opens."""
    return {"auth": Token(scope, permission), "openapi_extra": {"x-scope": scope}}
