"""Export requests as senders make them, by opentelemetry-proto's own messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

BEGIN = 1_795_000_000  # seconds since 1970: 2026-11-18
SECOND = 10**9
PANIC = "panic: runtime error: invalid memory address or nil pointer dereference"


def normal(number: int) -> str:
    """The text of a line of a quiet service."""
    dice = random.Random(number)
    return f"order {number} accepted for customer {dice.randrange(1000)} in {dice.randrange(10, 90)} ms"


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=str(value))) for key, value in values.items()]


def logs(
    texts: Iterable[str], first: int = 0, scope: str = "app.orders", **resource: str
) -> ExportLogsServiceRequest:
    """A request with a record a second; names of the resource's attributes are written with underscores."""
    named = {"service_name": "checkout", "host_name": "web-1", **resource}
    request = ExportLogsServiceRequest()
    holder = request.resource_logs.add()
    holder.resource.attributes.extend(attributes({key.replace("_", "."): v for key, v in named.items()}))
    inner = holder.scope_logs.add()
    inner.scope.name = scope
    for number, text in enumerate(texts, first):
        time = (BEGIN + number) * SECOND
        inner.log_records.add(
            time_unix_nano=time, severity_number=9, severity_text="INFO", body=AnyValue(string_value=text)
        )
    return request


def normal_lines(count: int, first: int = 0) -> list[str]:
    return [normal(number) for number in range(first, first + count)]
