"""Stored batches as the lines of JSON that `detection.formats` reads: one for each resource.

So a record gives the same event whether it comes by HTTP or stands in a file that the Collector wrote, but
for its resource, whose attributes change with each start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from anomalies.detection.formats.records.fields import attributes_of, fields_of

from .points import Rates
from .signals import SIGNALS, Signal

MOST_ATTRIBUTES = 30  # of a resource that are kept with an anomaly
_DEEP = 12  # messages within messages; the parts of what an attribute holds that are read are 8 deep
_HEXADECIMAL = ("trace_id", "span_id", "parent_span_id")
# The attributes that tell the instances of a service apart, the most lasting one first. A metric's series is
# named by one of them: the others change with each version and each start.
_INSTANCE = ("host.name", "k8s.pod.name", "service.instance.id", "container.id", "host.id")
_encode = msgspec.json.Encoder().encode


class LineError(ValueError):
    """A batch that can't be read."""


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """A line with the records of one resource, how many records, points or spans it has, and the resource's
    attributes by name, safe to show."""

    data: bytes
    items: int
    resource: dict[str, Any]


def lines_of(body: bytes, signal_name: str, rates: Rates | None = None) -> Iterator[ResourceLine]:
    """Yield the lines of a batch; `rates` has what counters were before. Raises LineError for no batch."""
    signal, rates = SIGNALS[signal_name], rates or Rates()
    try:
        data = signal.data.FromString(body)
    except DecodeError as error:
        raise LineError(f"the batch can't be decoded: {error}") from error
    for holder in data.ListFields()[0][1] if data.ListFields() else ():
        plain = _gauges(holder, signal, rates) if signal_name == "metrics" else _plain(holder)
        if signal_name == "logs":  # a new pod or process is no event; the resource goes to the anomaly itself
            plain.pop("resource", None)
        items = sum(signal.check(record).items for record in _records(holder, signal))
        yield ResourceLine(_encode({signal.resources: [plain]}), items, _attributes(holder.resource))


def _gauges(holder: Any, signal: Signal, rates: Rates) -> dict[str, Any]:
    """Return the metrics of a resource as gauges, with the one attribute of it that names the instance."""
    instance = _instance(_plain(holder.resource))
    found: dict[str, list[Any]] = {}
    for metric in _records(holder, signal):
        for name, point, value in rates.values(metric, str(instance)):
            about = _plain(point)
            kept = {key: about[key] for key in ("timeUnixNano", "attributes") if key in about}
            found.setdefault(name, []).append({**kept, "asDouble": value})
    metrics = [{"name": name, "gauge": {"dataPoints": points}} for name, points in found.items()]
    return {"resource": {"attributes": instance}, "scopeMetrics": [{"metrics": metrics}]}


def _records(holder: Any, signal: Signal) -> Iterator[Any]:
    for scope in getattr(holder, signal.scopes_field):
        yield from getattr(scope, signal.records_field)


def host_of(resource: dict[str, Any]) -> str | None:
    """Return the host that a resource names, else its pod or instance; None for none."""
    return next((str(resource[name]) for name in _INSTANCE if name in resource), None)


def _attributes(resource: Resource) -> dict[str, Any]:
    plain = _plain(resource).get("attributes", [])
    return dict(fields_of(attributes_of(plain))[:MOST_ATTRIBUTES])


def _instance(resource: dict[str, Any]) -> list[Any]:
    """Return the one attribute that names the instance, as a list; none where there is none."""
    pairs = resource.get("attributes", [])
    named = [pair for name in _INSTANCE for pair in pairs if pair.get("key") == name]
    return named[:1]


def _plain(message: Message, depth: int = _DEEP) -> dict[str, Any]:
    """Return a message as OTLP's JSON form has it, but whole numbers of 64 bits as numbers."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            found[field.json_name] = [_value(field, one, depth) for one in value]
        else:
            found[field.json_name] = _value(field, value, depth)
    return found


def _value(field: FieldDescriptor, value: Any, depth: int) -> Any:
    if field.message_type is not None:
        return _plain(value, depth - 1) if depth else {"stringValue": "…"}
    return value.hex() if field.name in _HEXADECIMAL else value
