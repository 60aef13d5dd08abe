"""Authentication by token, and the caller as the audit log names it; a session's cookie opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja.operation import Operation
from ninja.security import HttpBearer
from ninja.utils import contribute_operation_callback

from anomalies import api_tokens
from anomalies.audit import Actor
from anomalies.models import ApiToken, Scope
from anomalies.replica import positions
from anomalies.web.actor import client_address
from anomalies.web.replica_reads import HEADER, from_replica

from . import rates
from .problems import ProblemError

Permission = Callable[[User], bool]
Route = TypeVar("Route", bound=Callable[..., Any])


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


def reads_replica(route: Route) -> Route:
    """Let a route be read from a replica, by ``@router.get`` above it: after its token was found."""
    contribute_operation_callback(route, _read_from_replica)
    return route


def _read_from_replica(operation: Operation) -> None:
    view = operation.view_func

    @wraps(view)
    def read(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return from_replica(request, lambda: view(request, *args, **kwargs), partial(_position_of, request))

    operation.view_func = read


def _position_of(request: HttpRequest) -> int | None:
    """The position that the replica must have replayed: the one that the request names, else any.

    A token that can write and names none reads from the primary, since its last write is not known. Raises
    ProblemError (400) for a header that is no position.
    """
    text = request.headers.get(HEADER)
    if text is None:
        return None if set(token_of(request).scopes) <= {Scope.READ} else positions.UNKNOWN
    position = positions.parsed(text.strip())
    if position is None:
        message = f'must be a position as an answer gave it, such as "{positions.written(2**32)}"'
        raise ProblemError(400, f"{HEADER} {message}.", [{"field": HEADER, "message": message}])
    return position
