"""gunicorn's settings: threads, and a limit on the time a client may send nothing.

A thread reads a request's header for as long as its client takes to send it. A worker therefore has several
threads, and the kernel ends a read that gets no byte for READ_SECONDS. A client that sends one byte at a time
is left to the proxy (docs/nginx.conf), which forwards complete requests only.

``gunicorn.conf.py`` in a checkout imports them, so gunicorn finds them there by itself; an installed wheel
names them: ``gunicorn --config python:driftlock.gunicorn_settings driftlock.wsgi``.
"""

import os
import socket
import struct
from typing import Any

READ_SECONDS = 5

worker_class = "gthread"
threads = 8


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that ended, where metrics are counted over all of them."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def when_ready(server: Any) -> None:
    """Limit reading on the listening sockets; on Linux the connections that they accept inherit it."""
    limit = struct.pack("@ll", READ_SECONDS, 0)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
