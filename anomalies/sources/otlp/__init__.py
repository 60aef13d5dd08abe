"""OpenTelemetry's export requests (OTLP/HTTP): bytes to streams of records, and records to events' lines.

`requests` reads a body and sorts its records by stream; `lines` writes a stored batch as the JSON that
`detection.formats` reads. The wire form is that of opentelemetry-proto 1.x, stable for all three signals.
"""

from .bodies import BodyError, BodyTooLarge, unpacked
from .lines import ResourceLine, host_of, lines_of
from .points import Rates
from .requests import Batch, Received, RequestError, StreamKey, received
from .signals import SIGNALS, Signal

__all__ = [
    "SIGNALS",
    "Batch",
    "BodyError",
    "BodyTooLarge",
    "Rates",
    "Received",
    "RequestError",
    "ResourceLine",
    "Signal",
    "StreamKey",
    "host_of",
    "lines_of",
    "received",
    "unpacked",
]
