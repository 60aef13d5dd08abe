"""Pressure: while too much waits for the worker, senders are asked to wait and try again.

How much waits is asked once in ASKED_EVERY seconds and process, and what the process itself stores is added
in between, so a request costs no statement for it. The bound is exceeded by at most what all processes store
in that time.
"""

from __future__ import annotations

import threading
import time

from django.conf import settings

from anomalies.ingest.otlp import waiting_bytes

ASKED_EVERY = 1.0  # seconds
RETRY_AFTER = 5  # seconds

_lock = threading.Lock()
_known = 0
_asked = float("-inf")


def is_full() -> bool:
    """True while the batches that wait have more bytes than may wait."""
    global _known, _asked
    now = time.monotonic()
    with _lock:
        if now - _asked >= ASKED_EVERY:
            _known, _asked = waiting_bytes(), now
        return _known >= settings.OTLP_MAX_WAITING_BYTES


def add(size: int) -> None:
    """Count bytes that this process has stored."""
    global _known
    with _lock:
        _known += size
