"""How a reader that waits is told to end."""

from __future__ import annotations

import os
import select
from contextlib import suppress


class Stop:
    """A wish to end that wakes whoever waits: ``signal.signal(SIGTERM, stop.set)``, or from another thread.

    It is a pipe and no lock, because a signal's handler that waits for its own thread's lock waits for ever.
    """

    def __init__(self) -> None:
        self._wished = False
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._poll = select.poll()
        self._poll.register(self._waking, select.POLLIN)

    def set(self, *_signal: object) -> None:
        """Ask to end, now and for good."""
        self._wished = True
        with suppress(OSError):  # full, so it wakes already; or closed, so nobody waits
            os.write(self._wake, b"!")

    def is_set(self) -> bool:
        """Whether somebody asked."""
        return self._wished

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody asks."""
        self._poll.poll(seconds * 1000)

    def close(self) -> None:
        """Give the pipe back; nobody may wait any more."""
        os.close(self._waking)
        os.close(self._wake)

    def __enter__(self) -> Stop:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
