"""The wheel: built from the checkout, installed into an environment of its own, and served from there.

The environment borrows the dependencies of the one that tests run in; with DRIFTLOCK_WHEEL_ALONE=1 it is
empty, and pip installs them (a minute, and an index of packages).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from anomalies.management.commands.up import SAMPLES
from tests.support.memory_folder import temporary_folder
from tests.support.processes import ROOT
from tests.support.up import Up, environment

pytestmark = pytest.mark.slow
DEPLOYMENT = ROOT / "docs" / "deployment.md"
ALONE = os.environ.get("DRIFTLOCK_WHEEL_ALONE", "0") == "1"


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (built,) = folder.iterdir()
    return built


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder that it writes to."""

    folder: Path

    @property
    def driftlock(self) -> str:
        return str(self.folder / "venv" / "bin" / "driftlock")

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.driftlock, *arguments],
            cwd=self.folder,
            env=env or environment(self.folder / "data"),
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def installed(wheel) -> Iterator[Installed]:
    folder = Path(temporary_folder("driftlock-installed-"))
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    if not ALONE:
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    pip("--python", python, "install", *([] if ALONE else ["--no-deps", "--no-index"]), wheel)
    yield Installed(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def served(installed) -> Iterator[Up]:
    up = Up(installed.folder / "data", program=(installed.driftlock,), cwd=installed.folder)
    yield up.wait_until_served()
    up.end()


# --- built ----------------------------------------------------------------------------------------------


def test_every_file_of_the_packages_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as file:
        packed = set(file.namelist())
    ours = [
        path for name in ("anomalies", "driftlock") for path in (ROOT / name).rglob("*") if path.is_file()
    ]
    expected = {str(path.relative_to(ROOT)) for path in ours if path.suffix != ".pyc"}
    assert expected - packed == set()


def test_nothing_else_is_in_it_but_the_samples_and_what_a_wheel_says_of_itself(wheel):
    with zipfile.ZipFile(wheel) as file:
        foreign = [name for name in file.namelist() if not (ROOT / name).exists()]
    kinds = {re.sub(r"^driftlock-[^/]+\.dist-info/.*", "dist-info", name) for name in foreign}
    assert kinds == {"dist-info", *(f"driftlock/samples/{name}" for name in SAMPLES)}


# --- installed ------------------------------------------------------------------------------------------


def test_the_command_of_an_installed_wheel_runs_from_there(installed):
    code = "import anomalies, driftlock; print(anomalies.__file__, driftlock.__file__)"
    done = installed.run("shell", "--no-imports", "-c", code)
    assert done.returncode == 0, done.stderr
    assert {Path(name).is_relative_to(installed.folder) for name in done.stdout.split()} == {True}


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("HOME", "/somewhere/.local/share/driftlock"), ("XDG_DATA_HOME", "/somewhere/driftlock")],
)
def test_its_data_is_in_the_users_folder_unless_another_is_named(installed, variable, folder):
    code = "from django.conf import settings; print(settings.DATA_DIR, settings.STATIC_ROOT)"
    env = {"PATH": os.environ["PATH"], variable: "/somewhere"}
    done = installed.run("shell", "--no-imports", "-c", code, env=env)
    assert done.stdout.strip() == f"{folder} {folder}/static", done.stderr


def test_gunicorn_finds_the_settings_of_the_docs_in_it(installed):
    (line,) = re.findall(r"^python (-m gunicorn --config .+)$", DEPLOYMENT.read_text(), re.MULTILINE)
    done = subprocess.run(
        [installed.folder / "venv" / "bin" / "python", *line.split(), "--print-config"],
        cwd=installed.folder,
        env=environment(installed.folder / "data"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    used = dict(re.findall(r"^(\w+) += (.+)$", done.stdout, re.MULTILINE))
    assert (used["worker_class"], used["threads"]) == ("gthread", "8")


def test_it_serves_the_desk_with_its_styles(served):
    page = served.get("/")[1]
    stylesheets = re.findall(r'href="([^"]+\.css)"', page)
    assert 'name="password"' in page
    assert {served.get(path)[0].partition(";")[0] for path in stylesheets} == {"text/css"}
    assert any("anomalies/" in path for path in stylesheets)


def test_its_first_run_finds_anomalies_in_the_sample(served, installed):
    stats = installed.run("stats")
    assert re.search(r"^logs +[1-9]", stats.stdout, re.MULTILINE), stats


def test_migrate_has_nothing_left_to_do(served, installed):
    done = installed.run("migrate", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_database_has_every_trigger_that_its_migrations_make(served, installed):
    assert installed.run("schema", "check").returncode == 0


def test_detect_reads_a_file(served, installed):
    log = installed.folder / "some.log"
    log.write_text("".join(f"request {number} took 12 ms\n" for number in range(200)))
    done = installed.run("detect", str(log))
    assert (done.returncode, "events 200" in done.stderr) == (0, True), done.stderr
