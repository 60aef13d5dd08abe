"""Export requests: the records of a body by stream, each checked, and what was refused.

A stream is what one scope of one service sends of one signal; of traces it is what a service sends, since one
trace runs through several scopes. A record that is broken is refused alone; a body whose structure is broken
is refused as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from anomalies.detection.events import safe

from .json_form import JsonError, as_message, members, parsed
from .signals import SIGNALS, Signal
from .wire import WireError, framed, pieces

UNKNOWN = "unknown_service"  # OpenTelemetry's own name for a service that has none
_LONGEST_NAME = 200  # characters of a service, and of a scope
_MOST_REPEATED = 4  # times the body's size: a resource is stored with each of its scopes
_HOLDER, _RECORD = 1, 2  # the numbers of the resource or scope in its holder, and of what it holds


class RequestError(ValueError):
    """A body that is no export request; nothing of it is taken. The message says where, and the fix."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """The name of a stream: its signal, its service (with its namespace, if it has one) and its scope."""

    signal: str
    service: str
    scope: str

    @property
    def source(self) -> str:
        """The source of its anomalies."""
        return f"{self.service}/{self.scope}" if self.scope else self.service


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one stream in one request, encoded as LogsData, MetricsData or TracesData.

    ``digest`` is of the content, so a request that is sent again has the same ones; where an item does not
    say its time, two requests may be alike by chance, and it is random.
    """

    digest: UUID
    stream: StreamKey
    body: bytes
    items: int


@dataclass(frozen=True, slots=True)
class Received:
    """The batches of a request, how many items were refused, and the reason of the first refusal."""

    batches: tuple[Batch, ...]
    refused: int
    reason: str


@dataclass(slots=True)
class _Part:
    frames: list[bytes] = field(default_factory=list)
    items: int = 0
    is_timed: bool = True


# A scope's records with its resource and scope, encoded; for what can't be encoded the reason.
_Encoded = bytes | str
_Group = tuple[_Encoded, _Encoded, Iterator[_Encoded]]


def received(body: bytes, signal_name: str, is_json: bool) -> Received:
    """Return the records of a body by stream. Raises RequestError."""
    signal = SIGNALS[signal_name]
    sorting = _Sorting(signal, signal_name, _MOST_REPEATED * len(body))
    try:
        for resource, scope, records in _groups_of_json(body, signal) if is_json else _groups(body):
            sorting.add(resource, scope, records)
    except WireError as error:
        raise RequestError(f"the body is no export request: {error}; check what sends it") from error
    except JsonError as error:
        raise RequestError(str(error)) from error
    return sorting.result()


def _groups(body: bytes) -> Iterator[_Group]:
    for number, holder in pieces(body):
        if number == 1:
            resource, scopes = _divided(holder)
            for inner in scopes:
                scope, records = _divided(inner)
                yield resource, scope, iter(records)


def _divided(message: bytes) -> tuple[bytes, list[bytes]]:
    """Return the resource or scope of a message, and what it holds: scopes, or records."""
    about: list[bytes] = []
    held: list[bytes] = []
    for number, content in pieces(message):
        if number == _RECORD:
            held.append(content)
        elif number == _HOLDER:
            about.append(content)
    return b"".join(about), held


def _groups_of_json(body: bytes, signal: Signal) -> Iterator[_Group]:
    for holder in members(parsed(body), signal.resources):
        scopes = members(holder, signal.scopes)
        resource = _encoded(holder.get("resource") or {}, Resource)
        for inner in scopes:
            records = members(inner, signal.records)
            scope = _encoded(inner.get("scope") or {}, InstrumentationScope)
            yield resource, scope, (_encoded(one, signal.record) for one in records)


def _encoded(value: Any, kind: type[Message]) -> _Encoded:
    try:
        return as_message(value, kind)
    except JsonError as error:
        return f"can't be read: {error}"


class _Sorting:
    """The records of one request on their way to their streams."""

    def __init__(self, signal: Signal, name: str, most: int) -> None:
        self._signal, self._name = signal, name
        self._left = most
        self._parts: dict[StreamKey, _Part] = {}
        self._services: dict[_Encoded, str | None] = {}
        self._scopes: dict[_Encoded, str | None] = {}
        self._seen = 0  # items
        self._refused = 0
        self._reason = ""

    def add(self, resource: _Encoded, scope: _Encoded, records: Iterator[_Encoded]) -> None:
        """Take the records of one scope, or refuse them where the resource or the scope is broken."""
        service, name = self._service(resource), self._scope(scope)
        if isinstance(resource, str) or isinstance(scope, str) or service is None or name is None:
            for _ in records:
                self._refuse("has a resource or a scope that can't be read; correct what sends it", 1)
            return
        part = self._parts.setdefault(StreamKey(self._name, service, name), _Part())
        kept = [framed(_RECORD, record) for record in records if self._takes(record, part)]
        if kept:
            holder = framed(_HOLDER, scope) + b"".join(kept)
            part.frames.append(framed(1, framed(_HOLDER, resource) + framed(_RECORD, holder)))
            self._left -= len(resource) + len(scope)
            if self._left < 0:
                raise RequestError("one resource is sent with too many scopes; send fewer a request")

    def result(self) -> Received:
        """Return what was taken."""
        batches = (self._batch(key, part) for key, part in self._parts.items() if part.frames)
        return Received(tuple(batches), self._refused, self._reason)

    def _takes(self, record: _Encoded, part: _Part) -> TypeGuard[bytes]:
        if isinstance(record, str):
            return self._refuse(record, 1)
        try:
            message = self._signal.record.FromString(record)
        except DecodeError as error:
            return self._refuse(f"can't be decoded: {error}", 1)
        verdict = self._signal.check(message)
        if verdict.refusal:
            return self._refuse(verdict.refusal, verdict.items)
        self._seen += verdict.items
        part.items += verdict.items
        part.is_timed = part.is_timed and verdict.is_timed
        return verdict.items > 0

    def _refuse(self, why: str, items: int) -> bool:
        self._reason = self._reason or f"{self._signal.item} {self._seen + 1:,} of the request {why}"
        self._seen += items
        self._refused += items
        return False

    def _batch(self, key: StreamKey, part: _Part) -> Batch:
        body = b"".join(part.frames)
        return Batch(_digest_of(key, body) if part.is_timed else uuid4(), key, body, part.items)

    def _service(self, resource: _Encoded) -> str | None:
        return _known(self._services, resource, _service_of)

    def _scope(self, scope: _Encoded) -> str | None:
        """Return the name of a scope, '' for a trace's, since it runs through several."""
        return _known(self._scopes, scope, (lambda _: "") if self._name == "traces" else _scope_of)


def _known(known: dict[_Encoded, str | None], message: _Encoded, read: Callable[[bytes], str]) -> str | None:
    """Return what a message names, reading each only once; None for one that can't be read."""
    if message not in known:
        try:
            known[message] = read(message) if isinstance(message, bytes) else None
        except DecodeError:
            known[message] = None
    return known[message]


def _service_of(resource: bytes) -> str:
    found = {
        one.key: one.value.string_value
        for one in Resource.FromString(resource).attributes
        if one.key in ("service.name", "service.namespace")
    }
    name, namespace = found.get("service.name") or UNKNOWN, found.get("service.namespace")
    return _stored(f"{namespace}/{name}" if namespace else name)


def _scope_of(scope: bytes) -> str:
    return _stored(InstrumentationScope.FromString(scope).name)


def _stored(name: str) -> str:
    """A name on one line, without what could deceive; of a long one the beginning and a hash."""
    shown = " ".join(safe(name).split())
    if len(shown) <= _LONGEST_NAME:
        return shown
    return f"{shown[: _LONGEST_NAME - 9]}…{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _digest_of(key: StreamKey, body: bytes) -> UUID:
    named = "\n".join((key.signal, key.service, key.scope, "")).encode()
    return UUID(bytes=hashlib.sha256(named + body).digest()[:16])
