"""A limit in time for a server that does not answer at all, where its own timeouts don't help.

A frozen process or a machine that lost its power keeps a connection open and silent, and so does a pooler
whose server is gone: statement_timeout is the server's, and TCP's own limits are minutes. After the limit the
socket is shut down under the driver, which then reports a lost connection.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def socket_closed_after(seconds: float, connection: Callable[[], Any]) -> Iterator[None]:
    """Inside, a connection of psycopg is cut off after that time; it may be made inside, but not be closed.

    ``connection`` returns it when the time is up, or None.
    """
    timer = threading.Timer(seconds, _shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _shut(connection: Callable[[], Any]) -> None:
    with suppress(Exception), socket.socket(fileno=os.dup(connection().fileno())) as handle:
        handle.shutdown(socket.SHUT_RDWR)
