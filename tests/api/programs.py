"""Programs that use the HTTP API: each with a token of an owner of some role."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from anomalies.api_tokens import make
from anomalies.audit import Actor
from anomalies.models import Scope
from tests.support.factories import make_user

ALL_SCOPES = tuple(Scope.values)


class Program:
    """A client that sends a token, and JSON."""

    def __init__(self, owner: User, scopes: tuple[str, ...] = ALL_SCOPES, name: str = "program") -> None:
        self.token, self.secret = make(owner, name, scopes, 30, Actor(owner.username))
        self.client = Client(headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.get(path, query, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer; names of headers are written with underscores: ``If_Match='"1"'``."""
        data = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(method, path, data, "application/json", headers=named)


def program(role: str = "lead", *scopes: str) -> Program:
    """A program whose owner has this role; all scopes unless some are named."""
    return Program(make_user(role, f"{role} of a program"), scopes or ALL_SCOPES)
