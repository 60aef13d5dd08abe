"""A real nginx with the settings of docs/nginx.conf, without TLS; gone after the test."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ROOT, wait_until

# Debian has it in sbin, which is not in everybody's PATH.
PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# A test that can't run says so; a run of continuous integration names it (.ci/run).
needed = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed (Debian: nginx-light)")

_AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {ours}
}}
"""


@contextmanager
def nginx(folder: Path, behind: int) -> Iterator[int]:
    """The port of an nginx before the application on the port ``behind``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = (ROOT / "docs" / "nginx.conf").read_text()
    ours = re.sub(r" *ssl_certificate.*\n", "", ours).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    ours = ours.replace("127.0.0.1:8000", f"127.0.0.1:{behind}")
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, ours=ours))
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([str(PROGRAM), "-c", str(folder / "nginx.conf")], stderr=said)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "said").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
