"""The application server in production, as docs/deployment.md starts it, behind a proxy that ends TLS."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest

from driftlock.embedded_postgres.server import EmbeddedServer
from tests.support.memory_folder import temporary_folder
from tests.support.programs import nginx

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HOST = "driftlock.example.org"
LOGIN = "/admin/login/"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def cookies(self) -> SimpleCookie:
        return SimpleCookie("\r\n".join(self.headers.get_all("Set-Cookie", [])))


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Production's settings: a database on a server of its own, migrated; the static files collected."""
    folder = Path(temporary_folder("driftlock-production-"))
    server = EmbeddedServer(folder / "data", {"fsync": "off"})
    address = server.ensure_running()
    with psycopg.connect(
        host=address.socket_folder, user=address.user, dbname="postgres", autocommit=True
    ) as admin:
        admin.execute("CREATE DATABASE production")
    ours = {
        "DRIFTLOCK_MODE": "production",
        "SECRET_KEY": "k" * 25 + "0123456789" * 5,
        "DRIFTLOCK_HOSTS": HOST,
        "DRIFTLOCK_BEHIND_PROXY": "true",
        "DRIFTLOCK_STATIC_ROOT": str(folder / "static"),
        "DATABASE_URL": f"postgres://{address.user}@{quote(address.socket_folder, safe='')}/production",
        "DJANGO_SUPERUSER_PASSWORD": "a long one of no words",
    }
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DRIFT"))
    }
    environment = {**inherited, **ours}
    for command in ("migrate", "collectstatic --noinput"):
        assert manage(environment, command).returncode == 0
    manage(environment, "createsuperuser --noinput --username lea --email lea@example.org")
    yield environment
    server.release()
    shutil.rmtree(folder)


def manage(environment: dict[str, str], command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the product."""
    words = [sys.executable, str(ROOT / "manage.py"), *command.split()]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)


class Served:
    """gunicorn on a free port, with what it says."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        words = [
            sys.executable,
            "-m",
            "gunicorn",
            "driftlock.wsgi",
            "--bind",
            "127.0.0.1:0",
            "--workers",
            "2",
        ]
        with log.open("wb") as file:
            self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=file, stderr=file)
        self.port = self._port()

    def _port(self) -> int:
        while self.process.poll() is None:
            said = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.log.read_text())
            if said:
                return int(said[1])
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def ask(self, path: str, body: str | None = None, port: int = 0, **headers: str) -> Answer:
        """The response to a proxy that was requested over https; ``port`` is another one that leads to it."""
        sent = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=600)
        connection.request("POST" if body else "GET", path, body, {**sent, **named})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(600)


@pytest.fixture(scope="module")
def served(environment, tmp_path_factory) -> Iterator[Served]:
    served = Served(environment, tmp_path_factory.mktemp("gunicorn") / "log")
    yield served
    served.end()


@pytest.fixture(scope="module")
def stylesheet(served) -> str:
    """The path of our stylesheet, as the login page names it."""
    return re.search(r'href="(/static/anomalies/desk[^"]+)"', served.ask(LOGIN).body.decode())[1]


def test_the_login_page_is_served(served):
    answer = served.ask(LOGIN)
    assert (answer.status, b"Driftlock" in answer.body) == (200, True)


def test_the_stylesheet_has_its_hash_in_its_name(stylesheet):
    assert re.fullmatch(r"/static/anomalies/desk\.[0-9a-f]{12}\.css", stylesheet)


def test_the_stylesheet_may_be_kept_for_ever(served, stylesheet):
    answer = served.ask(stylesheet)
    assert (answer.status, answer.headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"


def test_the_stylesheet_is_compressed_for_who_can_read_that(served, stylesheet):
    answer = served.ask(stylesheet, Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == served.ask(stylesheet).body


def test_every_file_that_the_login_page_names_is_there(served):
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', served.ask(LOGIN).body.decode())
    assert len(named) > 3
    assert {served.ask(path).status for path in named} == {200}


def log_in(served: Served, **headers: str) -> Answer:
    token = served.ask(LOGIN).cookies["__Host-csrftoken"].value
    fields = {"username": "lea", "password": "a long one of no words", "csrfmiddlewaretoken": token}
    sent = {"Cookie": f"__Host-csrftoken={token}", "Referer": f"https://{HOST}{LOGIN}", **headers}
    return served.ask(LOGIN, urlencode(fields), Content_Type="application/x-www-form-urlencoded", **sent)


def test_cookies_go_over_https_only_and_the_session_is_hidden_from_scripts(served):
    answer = log_in(served)
    assert answer.status == 302
    assert all(cookie["secure"] for cookie in answer.cookies.values())
    assert answer.cookies["__Host-sessionid"]["httponly"]


def test_a_login_from_another_site_is_refused(served):
    assert log_in(served, Origin="https://evil.example.org").status == 403


def test_browsers_are_required_to_use_https(served):
    said = served.ask(LOGIN).headers["Strict-Transport-Security"]
    assert said == "max-age=31536000; includeSubDomains; preload"


def test_cookies_have_names_that_no_other_host_of_the_domain_can_set(served):
    cookies = log_in(served).cookies
    assert {name.startswith("__Host-") for name in cookies} == {True}
    assert {(cookie["path"], cookie["domain"], cookie["samesite"]) for cookie in cookies.values()} == {
        ("/", "", "Lax")
    }


def test_static_files_have_the_policy_too(served, stylesheet):
    for path in (LOGIN, stylesheet, "/nowhere"):
        assert "default-src 'none'" in served.ask(path).headers["Content-Security-Policy"]


def test_guesses_from_one_address_lock_it_out_whatever_they_claim_to_come_from(served):
    token = served.ask(LOGIN).cookies["__Host-csrftoken"].value
    fields = urlencode({"username": "nobody", "password": "x", "csrfmiddlewaretoken": token})
    sent = {"Cookie": f"__Host-csrftoken={token}", "Referer": f"https://{HOST}{LOGIN}"}
    sent["Content_Type"] = "application/x-www-form-urlencoded"
    claims = [f"192.0.2.{number}, 198.51.100.7" for number in range(6)]
    answers = [served.ask(LOGIN, fields, X_Forwarded_For=claim, **sent).status for claim in claims]
    assert answers == [200, 200, 200, 200, 429, 429]


def test_guesses_at_the_same_moment_are_counted_too(served):
    token = served.ask(LOGIN).cookies["__Host-csrftoken"].value
    fields = urlencode({"username": "nobody", "password": "x", "csrfmiddlewaretoken": token})
    sent = {"Cookie": f"__Host-csrftoken={token}", "Referer": f"https://{HOST}{LOGIN}"}
    sent |= {"Content_Type": "application/x-www-form-urlencoded", "X_Forwarded_For": "198.51.100.8"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.ask(LOGIN, fields, **sent).status, range(40)))
    assert set(answers) == {200, 429}
    assert answers.count(429) >= 30


def test_pages_may_not_be_framed_nor_guessed_at(served):
    headers = served.ask(LOGIN).headers
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")


def test_http_leads_to_https(served):
    answer = served.ask(LOGIN, X_Forwarded_Proto="http")
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}{LOGIN}")


def test_a_page_that_is_not_there_says_nothing_of_our_insides(served):
    answer = served.ask("/nowhere")
    assert answer.status == 404
    assert not re.search(b"DEBUG|Traceback|urlconf|settings", answer.body, re.IGNORECASE)


def test_another_host_is_not_answered(served):
    assert served.ask(LOGIN, Host="evil.example.org").status == 400


HALF_A_HEADER = f"GET {LOGIN} HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: "
HALF_A_BODY = f"POST {LOGIN} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\nusername="


@contextmanager
def slow_clients(port: int, count: int, sent: str) -> Iterator[None]:
    """So many connections on which this was sent, and nothing more."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    try:
        for client in clients:
            client.sendall(sent.encode())
        yield
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("sent", ["", HALF_A_HEADER, HALF_A_BODY], ids=["nothing", "a header", "a body"])
@pytest.mark.parametrize("count", [4, 40], ids=["fewer than threads", "more than threads"])
def test_slow_clients_do_not_stop_it(served, count, sent):
    with slow_clients(served.port, count, sent):
        assert served.ask(LOGIN).status == 200


@nginx.needed
@pytest.mark.parametrize("sent", ["", HALF_A_HEADER, HALF_A_BODY], ids=["nothing", "a header", "a body"])
def test_behind_the_proxy_of_the_docs_clients_that_drip_reach_no_thread(served, sent, tmp_path):
    with nginx.nginx(tmp_path, served.port) as port, slow_clients(port, 100, sent):
        assert served.ask(LOGIN, port=port).status == 200
        assert connections_to(served.port) <= 1


def connections_to(port: int) -> int:
    """The number of clients connected to a local port (Linux: proc(5), state 1 is ESTABLISHED)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "01" for line in lines)


def test_sigterm_ends_it_cleanly(environment, tmp_path):
    served = Served(environment, tmp_path / "log")
    assert served.ask(LOGIN).status == 200
    assert served.end() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_deployment_checks_find_nothing(environment):
    done = manage(environment, "check --deploy --fail-level WARNING")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_socket_may_also_be_named_by_the_urls_host_parameter(environment):
    folder = environment["DATABASE_URL"].split("@")[1].split("/")[0]
    url = f"postgres://driftlock@/production?host={folder}"
    done = manage({**environment, "DATABASE_URL": url}, "migrate --check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["SECRET_KEY", "DRIFTLOCK_HOSTS", "DATABASE_URL"])
def test_what_is_missing_stops_the_start_and_is_named(environment, name):
    done = manage({**environment, name: ""}, "check")
    assert done.returncode != 0
    assert f"{name} must be set in production" in done.stderr
