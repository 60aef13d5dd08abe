"""Record the access log of an nginx before a small application, with faults that are caused on purpose.

    python samples/record_nginx.py --out samples --seed 7

Writes nginx.log and nginx.faults.json (see README.md here). It needs the package nginx of Debian. Nothing is
written into the log by hand: nginx wrote every line. Clients come from many addresses, which they name in
X-Forwarded-For, as behind a load balancer.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

QUIET_SECONDS, FIRST_QUIET_SECONDS = 28.0, 75.0
CLIENTS, EVERY = 6, 0.55  # seconds between two requests of a client, on average
HEALTH_EVERY = 2.0

CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                   '"$http_referer" "$http_user_agent" $request_time';
  access_log {folder}/access.log timed;
  set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }} }}
}}
"""
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/15E148",
)
PAGES = {
    "/": 5, "/products": 6, "/products/{n}": 9, "/static/app.css": 4, "/static/app.js": 4,
    "/search?q=item{n}": 3,
}  # fmt: skip
SCAN = (
    "/.env", "/.git/config", "/wp-login.php", "/phpmyadmin/index.php", "/admin/config.php",
    "/cgi-bin/test.cgi", "/server-status", "/backup.sql", "/actuator/env",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
)  # fmt: skip


class Application:
    """The application behind nginx: pages by path, carts and orders. Faults set `is_slow` and `is_broken`."""

    def __init__(self, port: int, draw: Random) -> None:
        self._port, self._draw = port, draw
        self.is_slow = self.is_broken = False
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, also again after `stop`."""
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(*app.answer("GET", self.path))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._answer(*app.answer("POST", self.path))

            def _answer(self, status: int, size: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(b"x" * size)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the port: connections are refused."""
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    def answer(self, verb: str, path: str) -> tuple[int, int]:
        """The status and the size of an answer, after the time that it takes."""
        page = re.sub(r"\d+", "n", path.partition("?")[0])
        if page == "/health":
            return 200, 2
        time.sleep(self._draw.uniform(1.2, 2.4) if self.is_slow else self._draw.lognormvariate(-4.4, 0.4))
        if verb == "POST" and page == "/orders":
            return (500, 312) if self.is_broken else (303, 0)
        if verb == "POST":
            return (303, 0) if page in ("/cart", "/login") else (405, 120)
        files = {"/static/app.css": 3_120, "/static/app.js": 18_400}
        if page in files:
            return 200, files[page]
        sizes = {"/": 8_200, "/products": 14_600, "/products/n": 5_400}
        if page == "/search":
            return 200, self._draw.randrange(900, 7_000)
        if page == "/cart":
            return 200, self._draw.randrange(1_200, 2_600)
        known = page in sizes and not path.endswith("/0")
        return (200, sizes[page] + self._draw.randrange(400)) if known else (404, 146)


@dataclass
class Site:
    """nginx, the application, and who asks them."""

    port: int
    app: Application
    draw: Random
    ends: threading.Event
    is_watched: bool = True

    def ask(self, verb: str, path: str, ip: str, agent: str, referer: str = "") -> None:
        headers = {"X-Forwarded-For": ip, "User-Agent": agent, "Host": "shop.example.org"}
        if referer:
            headers["Referer"] = f"https://shop.example.org{referer}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        with suppress(OSError, HTTPException):
            connection.request(verb, path, body=b"item=1" if verb == "POST" else None, headers=headers)
            connection.getresponse().read()
        connection.close()

    def visitor(self, number: int) -> None:
        """Visits, one after the other, each from an address of its own: pages, carts, orders."""
        draw = Random(f"{number} {self.draw.random()}")
        while not self.ends.is_set():
            ip = ".".join(map(str, (draw.choice([81, 93, 145, 178]), *draw.choices(range(1, 255), k=3))))
            agent, before = draw.choice(AGENTS), ""
            for _ in range(draw.randrange(3, 14)):
                path = draw.choices([*PAGES], [*PAGES.values()])[0].format(n=draw.randrange(0, 90))
                self.ask("GET", path, ip, agent, before)
                before = path
                if draw.random() < 0.15:
                    self.ask("POST", "/cart", ip, agent, path)
                    self.ask("GET", "/cart", ip, agent, path)
                    if draw.random() < 0.5:
                        self.ask("POST", "/orders", ip, agent, "/cart")
                if self.ends.wait(draw.expovariate(1 / EVERY)):
                    return

    def monitor(self) -> None:
        """Asks /health by the clock."""
        while not self.ends.wait(HEALTH_EVERY):
            if self.is_watched:
                self.ask("GET", "/health", "10.0.0.5", "kube-probe/1.29")


def upstream_down(site: Site) -> None:
    site.app.stop()
    time.sleep(12)
    site.app.start()


def scan(site: Site) -> None:
    for path in SCAN * 2:
        site.ask("GET", path, "45.148.10.77", "Mozilla/5.0 zgrab/0.x")
        time.sleep(0.1)


def slow_upstream(site: Site) -> None:
    site.app.is_slow = True
    time.sleep(20)
    site.app.is_slow = False


def monitor_stopped(site: Site) -> None:
    site.is_watched = False
    time.sleep(40)
    site.is_watched = True


def flood(site: Site) -> None:
    for _ in range(200):
        site.ask("GET", "/search?q=item7", "178.20.41.9", "python-requests/2.32.3")


def broken_release(site: Site) -> None:
    site.app.is_broken = True
    time.sleep(25)
    site.app.is_broken = False


@dataclass(frozen=True)
class Fault:
    """A kind of fault, how it is caused, and the pattern of its own lines; '' where they are missing ones."""

    kind: str
    what: str
    cause: Callable[[Site], None]
    pattern: str


FAULTS = (
    Fault("upstream_down", "The application is stopped for 12 s; nginx says 502.", upstream_down, r'" 502 '),
    Fault("scan", "A scanner asks for twenty paths that are not there.", scan, r"zgrab"),
    Fault("slow_upstream", "Each answer takes 1.2 to 2.4 s.", slow_upstream, r" [12]\.\d{3}$"),
    Fault("monitor_stopped", "The monitor of /health is stopped for 40 s.", monitor_stopped, ""),
    Fault("flood", "A client asks for one search 200 times.", flood, r"python-requests"),
    Fault("broken_release", "Orders fail with 500 for 25 s.", broken_release, r'"POST /orders \S+ 500'),
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, draw: Random) -> Iterator[Site]:
    port, upstream = free_port(), free_port()
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, upstream=upstream))
    app = Application(upstream, draw)
    app.start()
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, env={"TZ": "UTC"})
    try:
        time.sleep(1)
        yield Site(port, app, draw, threading.Event())
    finally:
        process.terminate()
        process.wait(10)


def record(seed: int, faults: tuple[Fault, ...]) -> tuple[list[str], list[dict[str, object]]]:
    draw, caused = Random(seed), []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), draw) as site:
        people = [threading.Thread(target=site.visitor, args=(n,)) for n in range(CLIENTS)]
        people.append(threading.Thread(target=site.monitor))
        for one in people:
            one.start()
        time.sleep(FIRST_QUIET_SECONDS)
        for fault in faults:
            begin = datetime.now(UTC)
            fault.cause(site)
            caused.append((fault, begin, datetime.now(UTC)))
            time.sleep(QUIET_SECONDS)
        site.ends.set()
        for one in people:
            one.join()
        time.sleep(0.5)
        lines = (Path(name) / "access.log").read_text().splitlines()
    return lines, [described(lines, *one) for one in caused]


def moment_of(line: str) -> datetime:
    return datetime.strptime(line[line.index("[") + 1 : line.index("]")], "%d/%b/%Y:%H:%M:%S %z")


def described(lines: list[str], fault: Fault, begin: datetime, end: datetime) -> dict[str, object]:
    """The fault, its lines, and when it was: nginx writes whole seconds, and a request when it has ended."""
    inside = [
        number for number, line in enumerate(lines, 1)
        if begin.replace(microsecond=0) <= moment_of(line) <= end + timedelta(seconds=3)
    ]  # fmt: skip
    own = [number for number in inside if not fault.pattern or re.search(fault.pattern, lines[number - 1])]
    return {
        "fault": fault.kind, "from": begin.isoformat(timespec="milliseconds"),
        "until": end.isoformat(timespec="milliseconds"), "first_line": own[0], "last_line": own[-1],
        "lines": len(own) if fault.pattern else 0, "what": fault.what,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Record the sample of nginx.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    lines, faults = record(given.seed, FAULTS)
    (given.out / "nginx.log").write_text("".join(f"{line}\n" for line in lines))
    (given.out / "nginx.faults.json").write_text(json.dumps(faults, indent=1) + "\n")
    print(f"{len(lines):,} lines, {len(faults)} faults", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
