"""How long one request works at something large before it answers, and leaves the rest to the next."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings

SECONDS = 2.0


def time_is_up() -> Callable[[], bool]:
    """A clock that says when it is time to answer: after SECONDS, well before the page's own deadline."""
    within = min(SECONDS, settings.PAGE_SECONDS * 0.4 or SECONDS)
    until = time.monotonic() + within
    return lambda: time.monotonic() >= until
