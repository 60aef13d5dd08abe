"""scripts/bootstrap.py: from a bare Python to a .venv, or one line that says what is missing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bootstrap.py"
NOBODY = 65534


def checkout_in(folder: Path, requirements: str = "") -> Path:
    """A checkout that holds the script and a list of requirements, nothing else."""
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "scripts")
    (folder / "requirements.txt").write_text(requirements)
    return folder


def bootstrap(checkout: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script by a Python to which ``before`` was done."""
    program = f"{before}\nimport runpy; runpy.run_path('scripts/bootstrap.py', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, timeout=600
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a failure."""
    assert (done.returncode, done.stdout) == (1, "")
    progress = ("driftlock: making .venv …", "driftlock: installing requirements.txt …")
    (line,) = [line for line in done.stderr.splitlines() if line not in progress]
    return line


@pytest.fixture
def bare() -> Iterator[Path]:
    """A checkout in which nothing was made yet; everybody may read it."""
    folder = Path(tempfile.mkdtemp(prefix="driftlock-checkout-"))
    folder.chmod(0o755)
    yield checkout_in(folder / "checkout")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ready() -> Iterator[Path]:
    """A checkout that was bootstrapped once."""
    folder = Path(tempfile.mkdtemp(prefix="driftlock-checkout-"))
    done = bootstrap(checkout_in(folder / "a folder"))
    assert done.returncode == 0, done.stderr
    yield folder / "a folder"
    shutil.rmtree(folder)


def test_a_python_that_is_too_old_can_at_least_read_the_script():
    ast.parse(SCRIPT.read_text(), feature_version=(3, 5))


def test_a_python_that_is_too_old_is_one_line(bare):
    line = complaint(bootstrap(bare, "import sys; sys.version_info = (3, 10, 4)"))
    assert "needs Python 3.11 or newer" in line
    assert line.endswith("is 3.10. Name another: make PYTHON=python3.12 …")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_one_line_with_the_package_to_install(bare, module):
    line = complaint(bootstrap(bare, f"import sys; sys.modules[{module!r}] = None"))
    assert "apt install python3-venv" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_cannot_be_written_to_is_one_line(bare):
    # All that the script needs is imported first: nobody may be unable to read where Python lives.
    imports = "import ensurepip, hashlib, os, pkgutil, runpy, secrets, subprocess, venv"
    line = complaint(bootstrap(bare, f"{imports}\nos.setgroups([]); os.setuid({NOBODY})"))
    assert line == f"driftlock: The folder {bare} can't be written to: .venv and .data are made in it."


@pytest.mark.parametrize(
    "before",
    ["import sys; sys.version_info = (3, 10, 4)", "import sys; sys.modules['venv'] = None"],
)
def test_a_failure_makes_nothing(bare, before):
    bootstrap(bare, before)
    assert sorted(path.name for path in bare.iterdir()) == ["requirements.txt", "scripts"]


@pytest.mark.slow
def test_it_makes_a_python_with_pip(ready):
    done = subprocess.run([ready / ".venv" / "bin" / "python", "-m", "pip", "--version"])
    assert done.returncode == 0


@pytest.mark.slow
def test_a_second_run_does_nothing_and_says_nothing(ready):
    done = bootstrap(ready)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_changed_requirements_are_installed(ready):
    (ready / "requirements.txt").write_text("# another version\n")
    assert bootstrap(ready).stderr == "driftlock: installing requirements.txt …\n"


@pytest.mark.slow
def test_requirements_that_cannot_be_had_are_one_line_and_tried_again(ready):
    (ready / "requirements.txt").write_text("nothing @ file:///nowhere/nothing.whl\n")
    for _ in range(2):
        assert complaint(bootstrap(ready)).startswith("driftlock: Installing requirements.txt failed: ERROR")


@pytest.mark.slow
def test_a_venv_that_was_interrupted_half_way_is_made_again(ready):
    (ready / "requirements.txt").write_text("")
    (ready / ".venv" / ".made").unlink()
    (ready / ".venv" / "bin" / "python").unlink()
    done = bootstrap(ready)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "driftlock: making .venv …")
