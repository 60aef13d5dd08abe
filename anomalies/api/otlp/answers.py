"""Answers as OTLP specifies them, in the encoding of their request: protobuf or JSON.

A success is an Export…ServiceResponse, empty unless something was refused; an error is a google.rpc.Status.
Both are a whole number and a text, so they are written here, without the messages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from anomalies.sources.otlp import SIGNALS
from anomalies.sources.otlp.wire import framed, numbered
from anomalies.web.problems import OwnForm

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_CODES = {400: 3, 401: 16, 403: 7, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14}  # google.rpc.Code by HTTP status


def success(signal: str, is_json: bool, refused: int, reason: str) -> HttpResponse:
    """200, with how many items were refused and why."""
    partial = {SIGNALS[signal].rejected: str(refused), "errorMessage": reason}
    if is_json:
        return _answer(200, json.dumps({"partialSuccess": partial} if refused else {}).encode(), JSON)
    return _answer(200, framed(1, _message(refused, reason)) if refused else b"", PROTOBUF)


def error(status: int, detail: str, is_json: bool, headers: Mapping[str, Any] | None = None) -> HttpResponse:
    """An error of this HTTP status."""
    code = _CODES[status]
    body = json.dumps({"code": code, "message": detail}).encode() if is_json else _message(code, detail)
    return _answer(status, body, JSON if is_json else PROTOBUF, headers)


def _message(number: int, text: str) -> bytes:
    return numbered(1, number) + framed(2, text.encode())


def _answer(
    status: int, body: bytes, media_type: str, headers: Mapping[str, Any] | None = None
) -> HttpResponse:
    said = {"Cache-Control": "no-store", **(headers or {})}
    return OwnForm(body, status=status, content_type=media_type, headers=said)
