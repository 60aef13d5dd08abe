"""The stream of new anomalies as server-sent events (WHATWG HTML, section 9.2).

Each stream occupies a thread of its process, so a process serves at most API_STREAMS of them and refuses
others (503); one ends after API_STREAM_SECONDS, and its client connects again. Every POLL seconds it reads
the NEWEST anomalies by time and sends those that arrived since. Arrival goes by ``created_at``, which a
transaction sets before its rows are visible, so each look goes back OVERLAP beyond the last one and leaves
out what was sent. An event's id is the place in the order of arrival, from which a client that reconnects
with Last-Event-ID continues. Where more arrived between two looks than are read, "missed" says so: the list
has them. A stream of a token that was revoked ends at its next heartbeat.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from ninja import Router

from anomalies import api_tokens
from anomalies.models import Anomaly, ApiToken

from ..access import needs, token_of
from ..problems import Problem, ProblemError
from ..reading import REFUSED
from ..rows import with_columns
from .anomalies import IN_LISTS, original_values

router = Router(tags=["original"])
POLL = 1.0  # seconds between two looks
HEARTBEAT = 15.0  # seconds
OVERLAP = timedelta(seconds=60)
NEWEST = 1_000  # anomalies read at each look
MEDIA_TYPE = "text/event-stream"
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["connected", "anomaly", "missed", "heartbeat"]},
        "data": {"type": "string", "description": "JSON; of an anomaly as in a list"},
        "id": {"type": "string", "description": "the place from which Last-Event-ID continues"},
        "retry": {"type": "integer"},
    },
    "required": ["event", "data"],
}
_BODY = {
    "responses": {
        200: {
            "description": "Events connected, anomaly, missed and heartbeat.",
            "content": {MEDIA_TYPE: {"schema": _EVENT}},
        }
    }
}
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_open = 0
_lock = threading.Lock()
Place = tuple[datetime, UUID]


def open_streams() -> int:
    """The number of streams that this process serves."""
    return _open


@router.get("/stream/anomalies", response={REFUSED: Problem}, **needs("read", **_BODY))
def stream_anomalies(request: HttpRequest) -> HttpResponseBase:
    """Send anomalies as they arrive, in the shape of a list; Last-Event-ID continues after that event."""
    since = _place_of(request.headers.get("Last-Event-ID"))
    if request.META["REQUEST_METHOD"] == "HEAD":
        return HttpResponse(content_type=MEDIA_TYPE, headers=_HEADERS)
    return StreamingHttpResponse(Stream(token_of(request), since), content_type=MEDIA_TYPE, headers=_HEADERS)


def _place_of(event_id: str | None) -> Place | None:
    """The place that an event's id names. Raises ProblemError (400)."""
    if not event_id:
        return None
    moment, _, key = event_id.partition("/")
    try:
        when, pk = parse_datetime(moment), UUID(key)
        if when is None or when.tzinfo is None or not 1 < when.year < 9999:
            raise ValueError(moment)
    except (ValueError, OverflowError) as error:
        message = "must be the id of an event of this stream"
        raise ProblemError(
            400, f"Last-Event-ID {message}.", [{"field": "Last-Event-ID", "message": message}]
        ) from error
    return when, pk


class Stream:
    """The events of one client, as pieces of text. It is counted from its making until ``close``.

    Raises ProblemError (503) where the process serves as many as it may.
    """

    def __init__(self, token: ApiToken, since: Place | None) -> None:
        global _open
        with _lock:
            if _open >= settings.API_STREAMS:
                words = (
                    f"This process serves {_open} streams already (DRIFTLOCK_API_STREAMS); try again later."
                )
                raise ProblemError(503, words, headers={"Retry-After": "30"})
            _open += 1
        self._token = token
        self._floor: Place = since or (timezone.now(), UUID(int=0))
        self._latest = self._floor[0]
        self._sent: dict[UUID, datetime] = {}
        self._is_open = True

    def close(self) -> None:
        """Free the place; Django calls it at the end of the answer, whoever ended it."""
        global _open
        with _lock:
            _open -= self._is_open
            self._is_open = False

    def __iter__(self) -> Iterator[str]:
        end = time.monotonic() + settings.API_STREAM_SECONDS
        heartbeat = time.monotonic() + HEARTBEAT
        yield "retry: 3000\n" + event("connected", {"client_id": str(uuid4())})
        while True:
            try:
                yield from self._new()
                if time.monotonic() >= heartbeat:
                    heartbeat += HEARTBEAT
                    if not api_tokens.valid().filter(pk=self._token.pk, owner__is_active=True).exists():
                        return
                    yield event("heartbeat", {"timestamp": timezone.now()})
            except Error:  # the client connects again, to this process or another
                return
            if time.monotonic() >= end:
                return
            time.sleep(POLL)

    def _new(self) -> Iterator[str]:
        """The events of what arrived since the last look, in the order of arrival."""
        after = max(self._floor[0], self._latest - OVERLAP)
        newest = Anomaly.objects.order_by("-timestamp", "-id").values("pk", "created_at")[:NEWEST]
        read = [(row["created_at"], row["pk"]) for row in newest]
        fresh = sorted(
            place
            for place in read
            if place > self._floor and place[0] >= after and place[1] not in self._sent
        )
        if read and len(fresh) == NEWEST:
            yield event("missed", {"message": f"More than {NEWEST:,} anomalies arrived; read the list."})
        rows = with_columns({*IN_LISTS, "id"}).in_bulk([pk for _, pk in fresh])
        for place in fresh:
            if row := rows.get(place[1]):
                yield event("anomaly", original_values(row, IN_LISTS), place)
        self._remember(fresh)

    def _remember(self, fresh: list[Place]) -> None:
        self._sent |= {pk: moment for moment, pk in fresh}
        if fresh:
            self._latest = max(self._latest, fresh[-1][0])
        self._sent = {pk: at for pk, at in self._sent.items() if at >= self._latest - OVERLAP}


def event(name: str, data: dict[str, Any], place: Place | None = None) -> str:
    """One event as text; null values are left out of its data, as in a list."""
    present = {key: value for key, value in data.items() if value is not None}
    key = f"id: {place[0].isoformat()}/{place[1]}\n" if place else ""
    return f"{key}event: {name}\ndata: {json.dumps(present, cls=DjangoJSONEncoder)}\n\n"
