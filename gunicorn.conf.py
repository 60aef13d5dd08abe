"""gunicorn's settings, read where it is started: threads, and an end for clients that send nothing.

A thread reads a request's header as long as its client takes to send it. So a worker has several threads, and
the kernel ends a read that gets no byte for READ_SECONDS. A client that sends one byte at a time is for the
proxy to wait for (docs/nginx.conf): that hands on whole requests only.
"""

import socket
import struct
from typing import Any

READ_SECONDS = 5

worker_class = "gthread"
threads = 8


def when_ready(server: Any) -> None:
    """Limit reading on the listening sockets; on Linux the connections that they accept inherit it."""
    limit = struct.pack("@ll", READ_SECONDS, 0)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
