"""A stop signal for a waiting reader."""

from __future__ import annotations

import os
import select
from contextlib import suppress


class Stop:
    """A request to stop that ends a wait: ``signal.signal(SIGTERM, stop.set)``, or from another thread.

    It is a pipe instead of a lock (the "self-pipe trick" of D. J. Bernstein): a signal handler that waits for
    a lock of its own thread never returns.
    """

    def __init__(self) -> None:
        self._wished = False
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._poll = select.poll()
        self._poll.register(self._waking, select.POLLIN)

    def set(self, *_signal: object) -> None:
        """Request the stop; it can't be taken back."""
        self._wished = True
        with suppress(OSError):  # full: it wakes already; closed: nobody waits
            os.write(self._wake, b"!")

    def is_set(self) -> bool:
        """True once a stop was requested."""
        return self._wished

    def wait(self, seconds: float) -> None:
        """Wait that many seconds, or until a stop is requested."""
        self._poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close the pipe; ``wait`` must not be called afterwards."""
        os.close(self._waking)
        os.close(self._wake)

    def __enter__(self) -> Stop:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
