"""An OpenID Connect provider on this machine: real HTTP, real RS256 signatures, one person at a time."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "driftlock", "the client's secret"
Encode = Callable[[dict[str, Any], Any], str]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(claims: dict[str, Any], key: Any) -> str:
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "first"})


class OpenIdProvider:
    """``person`` holds the claims of whoever signs in; ``changed`` those of the ID token that differ from
    what is right; ``encode`` makes the token; ``userinfo`` is what that endpoint adds."""

    def __init__(self) -> None:
        self.key = new_key()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/realm"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.reset()

    def reset(self) -> None:
        self.person: dict[str, Any] = {"sub": "1234", "preferred_username": "ana", "groups": ["sre"]}
        self.changed: dict[str, Any] = {}
        self.configured: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.encode: Encode = signed
        self.codes: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def configuration(self) -> dict[str, Any]:
        names = ("authorization", "token", "userinfo")
        endpoints = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in names}
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **endpoints, **self.configured}

    def keys(self) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "first", "alg": "RS256", "use": "sig"}]}

    def authorization(self, query: dict[str, str]) -> str:
        """The address to return to, with a code: everybody agrees at once."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a code; None for a wrong secret, verifier or code, or one that was used."""
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        right = (CLIENT_SECRET, CLIENT_ID, challenge, asked and asked["redirect_uri"])
        names = (form.get("client_secret"), form.get("client_id"))
        if asked is None or (*names, asked["code_challenge"], form.get("redirect_uri")) != right:
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: v for name, v in {**claims, **self.person, **self.changed}.items() if v is not None}
        return {
            "access_token": "bearer",
            "token_type": "Bearer",
            "id_token": self.encode(claims, self.key),
        }


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name = parts.path.removeprefix("/realm/")
            if name == "authorization":
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorization(query))
                self.end_headers()
                return
            answers = {".well-known/openid-configuration": provider.configuration, "keys": provider.keys}
            if name == "userinfo" and self.headers["Authorization"] == "Bearer bearer":
                self._answer({"sub": provider.person["sub"], **provider.userinfo})
            else:
                self._answer(answers[name]() if name in answers else None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(provider.token({key: values[0] for key, values in parse_qs(body).items()}))

        def _answer(self, found: dict[str, Any] | None) -> None:
            body = json.dumps(found or {"error": "invalid_request"}).encode()
            self.send_response(200 if found else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
