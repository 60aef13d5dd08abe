"""One POST to a checked destination: no redirects, no proxies, and an end to the whole exchange.

The connection goes to the address that was checked, while the request's Host header, and in TLS the name that
the certificate is verified for, are those of the rule's address.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any

import urllib3
from django.utils import timezone
from urllib3.connection import HTTPConnection, HTTPSConnection

from anomalies.safe_text import printable

from .destinations import Destination, ForbiddenDestination, resolve

SECONDS = 10.0  # for the connection, and for each wait for bytes
WHOLE_SECONDS = 25.0  # of the exchange: for a name server that hangs, or a receiver that sends byte by byte
_SHOWN = 300  # characters of a reason
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a receiver: ``ok``, or in words what went wrong.

    ``is_final``: it is not to be tried again. ``retry_after``: seconds that the receiver asks to wait.
    """

    ok: bool
    words: str = ""
    is_final: bool = False
    retry_after: float | None = None


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send the body; every failure is an Answer. A thread that does not end in time is left to itself."""
    answers: list[Answer] = []
    thread = Thread(target=lambda: answers.append(_post(url, body, headers)), daemon=True)
    thread.start()
    thread.join(WHOLE_SECONDS)
    return answers[0] if answers else Answer(False, f"no complete answer within {WHOLE_SECONDS:g} s")


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        destination = resolve(url)
    except ForbiddenDestination as error:
        return Answer(False, f"not sent: {error}")
    except OSError as error:
        return Answer(False, printable(f"the host is not found: {error.strerror or error}", _SHOWN))
    connection = _connection(destination)
    try:
        sent = {"Host": _host_header(destination), "User-Agent": "Driftlock", **headers}
        connection.request("POST", destination.path, body=body, headers=sent, preload_content=False)
        return _answer(connection.getresponse())
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return Answer(False, printable(str(error) or type(error).__name__, _SHOWN))
    finally:
        connection.close()


def _connection(destination: Destination) -> HTTPConnection:
    if destination.scheme == "http":
        return HTTPConnection(destination.address, destination.port, timeout=SECONDS)
    return HTTPSConnection(
        destination.address,
        destination.port,
        timeout=SECONDS,
        cert_reqs="CERT_REQUIRED",
        server_hostname=destination.host,
        assert_hostname=destination.host,
    )


def _host_header(destination: Destination) -> str:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    usual = 443 if destination.scheme == "https" else 80
    return host if destination.port == usual else f"{host}:{destination.port}"


def _answer(response: Any) -> Answer:
    """The answer by its status; its body is not read."""
    status: int = response.status
    if 200 <= status < 300:
        return Answer(True)
    if 300 <= status < 400:
        return Answer(False, f"answered {status}, a redirect, which is not followed; enter its address")
    if status == 410:
        return Answer(False, "answered 410: the receiver wants no more notifications", is_final=True)
    reason = f" {response.reason}" if response.reason else ""
    wait = _seconds(response.headers.get("Retry-After", ""))
    return Answer(False, printable(f"answered {status}{reason}", _SHOWN), retry_after=wait)


def _seconds(text: str) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), a number or a date; None for neither."""
    try:
        asked = (
            float(text) if text.isdigit() else (parsedate_to_datetime(text) - timezone.now()).total_seconds()
        )
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(asked, 0.0), _LONGEST_WAIT) if math.isfinite(asked) else None
