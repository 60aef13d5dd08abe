"""``manage.py up``, as ``make run`` calls it: from an empty folder to a page, and its end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anomalies.detection import TimestampReader
from tests.support.memory_folder import temporary_folder
from tests.support.up import Up, postmaster

PASSWORD = re.compile(r"^  (\w+) +([\w-]{12})$", re.MULTILINE)

pytestmark = pytest.mark.slow


@dataclass
class FirstRun:
    """The output, pages and exit status of a first run in an empty folder."""

    data: Path
    said: str
    login: tuple[str, str]
    css: tuple[str, str]
    code: int
    complained: str


@pytest.fixture(scope="module")
def first_run() -> Iterator[FirstRun]:
    folder = Path(temporary_folder("driftlock-up-"))
    up = Up(folder / "data").wait_until_served()
    try:
        login = up.get("/")
        css = up.get(re.search(r'href="([^"]+\.css)"', login[1])[1])
        code, complained = up.end()
        yield FirstRun(folder / "data", up.said, login, css, code, complained)
    finally:
        up.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data(first_run) -> Path:
    """The folder of a first run that has ended."""
    return first_run.data


@pytest.fixture
def up(data) -> Iterator[Up]:
    """A later run, serving."""
    up = Up(data)
    yield up.wait_until_served()
    if up.process.poll() is None:
        up.end()


def test_a_first_run_makes_a_user_of_each_role_and_tells_the_passwords(first_run):
    shown = PASSWORD.findall(first_run.said)
    assert [name for name, _ in shown] == ["viewer", "analyst", "lead", "admin"]
    assert len({password for _, password in shown}) == 4


def test_the_root_leads_to_the_login_page(first_run):
    kind, page = first_run.login
    assert kind.startswith("text/html")
    assert 'name="password"' in page


def test_the_login_page_has_its_css(first_run):
    kind, text = first_run.css
    assert kind.startswith("text/css")
    assert "{" in text


def test_sigterm_ends_it_cleanly_and_stops_the_database(first_run):
    assert first_run.code == 0
    assert "stopped" in first_run.complained.splitlines()  # a request may be logged after it
    assert postmaster(first_run.data) is None


def test_the_secret_key_is_kept_for_its_owner_alone(first_run):
    key = first_run.data / "secret-key"
    assert (len(key.read_text()) >= 50, stat.S_IMODE(key.stat().st_mode)) == (True, 0o600)


def test_a_seal_key_is_made_for_the_data_with_its_public_part(first_run):
    key = first_run.data / "seal-key"
    assert ("PRIVATE KEY" in key.read_text(), stat.S_IMODE(key.stat().st_mode)) == (True, 0o600)
    assert "PUBLIC KEY" in key.with_name("seal-key.pub").read_text()


@pytest.mark.parametrize("name", ["secret-key", "seal-key"])
def test_a_later_run_keeps_the_key(first_run, up, name):
    key = first_run.data / name
    former = key.read_text()
    up.end()
    assert key.read_text() == former


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("postgresql.log", r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC"),
        ("nginx.log", r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d"),
    ],
)
def test_both_samples_end_now(first_run, name, form):
    end = (first_run.data / "samples" / name).read_text()[-10_000:]
    clock = TimestampReader(datetime.now(UTC))
    age = datetime.now(UTC) - clock.read(re.findall(form, end, re.MULTILINE)[-1])
    assert timedelta(0) <= age < timedelta(hours=1)


def test_a_later_run_tells_no_password(up):
    assert PASSWORD.findall(up.said) == []


def test_a_later_run_does_not_read_the_sample_again(up):
    _, complained = up.end()
    assert "detecting" not in complained


def login(up: Up, said: str, name: str) -> tuple[urllib.request.OpenerDirector, str]:
    """A session with the password that a first run printed, and the address that the login led to."""
    session = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    address = f"http://127.0.0.1:{up.port}/admin/login/?next=/admin/"
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', session.open(address).read().decode())[1]
    password = dict(PASSWORD.findall(said))[name]
    form = f"csrfmiddlewaretoken={token}&username={name}&password={password}"
    return session, session.open(address, form.encode()).url


def test_a_printed_password_lets_its_user_in(first_run, up):
    assert login(up, first_run.said, "analyst")[1].endswith("/admin/")


def test_the_signed_bundle_of_an_anomaly_can_be_downloaded(first_run, up):
    session, _ = login(up, first_run.said, "lead")
    desk = f"http://127.0.0.1:{up.port}/admin/anomalies/anomaly/"
    page = session.open(f"{desk}?within=24h").read().decode()
    pk = re.search(r"anomalies/anomaly/([0-9a-f-]{36})/", page)[1]
    answer = session.open(f"{desk}{pk}/evidence/")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="evidence-{pk}.json"'
    assert json.load(answer)["signature"]


def test_sigint_ends_it_cleanly_and_stops_the_database(up):
    code, complained = up.end(signal.SIGINT)
    assert (code, "stopped" in complained.splitlines()) == (0, True)
    assert postmaster(up.data) is None


def test_a_signal_during_the_preparation_ends_it_cleanly(data):
    up = Up(data)
    assert up.process.stderr.readline() == "preparing the database …\n"
    code, complained = up.end()
    assert (code, "stopped" in complained.splitlines()) == (0, True)
    assert postmaster(data) is None


def test_after_kill_9_the_next_run_serves_and_stops_the_database_that_was_left(data):
    killed = Up(data).wait_until_served()
    killed.end(signal.SIGKILL)
    assert postmaster(data) is not None
    up = Up(data).wait_until_served()
    assert 'name="password"' in up.get("/")[1]
    assert (up.end()[0], postmaster(data)) == (0, None)


def test_two_runs_on_two_ports_share_the_database(up):
    second = Up(up.data).wait_until_served()
    second.end()
    assert 'name="password"' in up.get("/")[1]


def test_a_taken_port_is_one_line_and_starts_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = Up(tmp_path / "data", port)
        said, complained = up.process.communicate(timeout=600)
    assert (up.process.returncode, said) == (1, "")
    (line,) = complained.splitlines()
    assert line.startswith(f"CommandError: port {port} can't be used (Address already in use); try --port ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_one_line(tmp_path, port):
    up = Up(tmp_path / "data", port)
    _, complained = up.process.communicate(timeout=600)
    assert (up.process.returncode, len(complained.splitlines())) == (1, 1)
    assert f"{port} is not a port" in complained


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("a file")
    up = Up(tmp_path / "file" / "data")
    _, complained = up.process.communicate(timeout=600)
    assert up.process.returncode == 1
    assert complained.splitlines()[-1].startswith("CommandError: the embedded PostgreSQL can't keep its data")
    assert "Traceback" not in complained
