"""The README, followed as written: its commands are run and its tour is taken, on a server of its own."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.core.management import get_commands

from tests.support.forms import carried
from tests.support.memory_folder import temporary_folder
from tests.support.processes import ROOT
from tests.support.up import MANAGE, Up, environment

README = (ROOT / "README.md").read_text()
TOUR = README.partition("## Tour")[2].partition("\n## ")[0]
LIST = "/admin/anomalies/anomaly/"
ROW = re.compile(rf'href="({LIST}[0-9a-f-]{{36}}/change/)')
COMMANDS = [
    *re.findall(r"^\.venv/bin/python manage\.py (.+)$", README, re.MULTILINE),
    *re.findall(r"`(?:\.venv/bin/python )?manage\.py ([^`]+)`", README),
]

pytestmark = pytest.mark.slow


class Visitor:
    """A person with a browser that keeps cookies; ``page`` is the last one shown."""

    def __init__(self, up: Up, role: str) -> None:
        self._root = f"http://127.0.0.1:{up.port}"
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.page = ""
        self.open("/")
        password = re.search(rf"^  {role} +([\w-]+)$", up.said, re.MULTILINE)[1]
        self.send("/admin/login/", username=role, password=password, next="/admin/")

    def open(self, path: str) -> str:
        return self._show(self._root + path)

    def send(self, path: str, **fields: str | list[str]) -> str:
        """Submit the form of the page, filled in."""
        hidden = carried(SimpleNamespace(content=self.page.encode()))
        return self._show(self._root + path, urlencode(hidden | fields, doseq=True).encode())

    def _show(self, address: str, data: bytes | None = None) -> str:
        asked = urllib.request.Request(address, data, {"Referer": address, "Origin": self._root})
        with self._browser.open(asked, timeout=600) as answer:
            self.page = unescape(answer.read().decode())
        return self.page

    def rows(self, query: str = "") -> list[str]:
        return list(dict.fromkeys(ROW.findall(self.open(f"{LIST}?e=1{query}"))))


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    folder = Path(temporary_folder("driftlock-readme-"))
    up = Up(folder / "data")
    try:
        yield up.wait_until_served()
        up.end()
    finally:
        up.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def analyst(up) -> Visitor:
    return Visitor(up, "analyst")


def manage(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MANAGE, *arguments], cwd=ROOT, env=environment(up.data), capture_output=True, text=True, timeout=600
    )


def test_step_1_the_analyst_logs_in_with_the_printed_password(analyst):
    assert "Log out" in analyst.open("/admin/")


def test_step_2_each_filter_of_the_tour_shows_rows(analyst):
    assert "Filter by *pending*, by *last 24 h*" in TOUR
    assert analyst.rows("&status=pending")
    assert analyst.rows("&within=24h")


def test_step_2_the_tag_of_the_tour_shows_rows(analyst):
    tag = re.search(r"by the tag `(\w+)`", TOUR)[1]
    assert analyst.rows(f"&tags_any={tag}")


def test_step_2_the_search_of_the_tour_shows_rows(analyst):
    words = re.search(r"or search: `([^`]+)`", TOUR)[1]
    assert analyst.rows("&" + urlencode({"q": words}))


def test_step_3_an_anomaly_shows_what_the_tour_names(analyst):
    page = analyst.open(analyst.rows()[0])
    assert all(f">{name}</h" in page for name in ("Explanation", "Evidence", "Baseline", "Window"))
    assert re.search(r"<mark|class=\"[^\"]*odd|class=\"[^\"]*mark", page)
    assert ">Threshold</th>" in page


@pytest.mark.parametrize(
    ("action", "fields"), [("acknowledge", {}), ("dismiss", {"reason": "other"}), ("investigate", {})]
)
def test_step_4_a_decision_with_a_note_is_made_and_reopened(analyst, action, fields):
    row = analyst.rows("&status=pending")[0]
    analyst.open(row)
    analyst.send(row, action=action, note=f"seen by {action}", **fields)
    assert f"seen by {action}" in analyst.open(row)
    analyst.send(row, action="reopen", note="")
    assert row in analyst.rows("&status=pending")


def test_step_5_three_rows_are_acknowledged_at_once_with_an_undo_button(analyst):
    ids = re.findall(r'name="_selected_action" value="([0-9a-f-]{36})"', analyst.open(f"{LIST}?e=1"))[:3]
    page = analyst.send(LIST, action="acknowledge", _selected_action=ids, index="0")
    assert "3 anomalies acknowledged" in page
    assert 'class="button">Undo</button>' in page


def test_step_5_start_triage_opens_a_pending_anomaly(analyst):
    analyst.open(LIST)
    queue = re.search(r'href="([^"]+)">Triage queue<', analyst.page)[1]
    assert 'value="acknowledge"' in analyst.open(queue)


def test_step_6_stats_prints_what_chance_explains(up):
    done = manage(up, "stats")
    assert done.returncode == 0
    assert "by chance" in done.stdout + done.stderr


def test_step_7_the_lead_can_change_thresholds_and_the_viewer_decides_nothing(up):
    assert "/detectionconfig/add/" in Visitor(up, "lead").open("/admin/anomalies/detectionconfig/")
    viewer = Visitor(up, "viewer")
    assert 'value="acknowledge"' not in viewer.open(viewer.rows()[0])


def test_a_source_of_ones_own_is_read_with_the_command_of_the_readme(up, tmp_path, analyst):
    (command,) = [words for words in COMMANDS if words.startswith("detect ")]
    source = tmp_path / "syslog"
    source.write_text("".join(f"Nov 23 12:00:{n % 60:02} host app: request {n}\n" for n in range(300)))
    done = manage(up, *[str(source) if "/" in word else word for word in shlex.split(command)])
    assert (done.returncode, "windows tested" in done.stderr) == (0, True)


def test_the_backup_of_the_readme_is_made(up, tmp_path):
    (command,) = [words for words in COMMANDS if words.startswith("backup ")]
    done = manage(up, *shlex.split(command.replace("FILE", str(tmp_path / "dump"))))
    assert (done.returncode, (tmp_path / "dump").exists()) == (0, True)


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md", "docs/deployment.md"])
def test_each_command_that_a_page_names_exists(page):
    named = re.findall(r"(?:manage\.py|driftlock) ([a-z_]+)\b", (ROOT / page).read_text())
    assert named
    assert set(named) <= {"help", *get_commands()}


def test_each_command_has_a_row_in_the_commands_page():
    ours = {name for name, app in get_commands().items() if app == "anomalies"}
    silent = {"dumpdata", "loaddata", "flush"}  # Django's own, narrowed
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", (ROOT / "docs/commands.md").read_text(), re.MULTILINE))
    assert {name for name in ours - silent if not re.search(rf"`{name}\b", rows)} == set()


@pytest.mark.parametrize("target", re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))
def test_each_target_that_the_readme_names_is_in_the_makefile(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
