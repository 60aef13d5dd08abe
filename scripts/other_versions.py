"""Run the tests on the other Pythons and the newest Django that are supported, each in a venv of its own.

    python scripts/other_versions.py SUMMARY

Adds a line to the file SUMMARY for each: what ran, or why it could not. Exits 1 where tests failed. On the
newest Python with the newest Django run the tests that depend on Django; between them and what `make test`
runs on, those that depend on the language.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LTS, NEWEST = "5.2", "6"
# What depends on Django: forms, the admin, queries, commands, migrations.
DJANGO = [
    "tests/admin/test_anomaly.py",
    "tests/admin/test_edit_conflict.py",
    "tests/audit/test_triggers.py",
    "tests/driftlock/test_settings.py",
    "tests/management/test_decide.py",
    "tests/queries/test_export.py",
    "tests/queries/test_filters.py",
    "tests/schema/test_contract.py",
    "tests/triage/test_decisions.py",
    "tests/web/test_error_pages.py",
    "tests/web/test_security.py",
]
WORKERS = "-n logical --maxprocesses 8 --dist loadgroup --no-loadscope-reorder".split()  # as make test
# Not needed to run the tests, and bound to one Django.
TOOLS = re.compile(r"(django-stubs|mypy|types-)", re.IGNORECASE)


LANGUAGE = [
    "tests/audit/test_audit_log.py",
    "tests/audit/test_bundle.py",
    "tests/detection",
    "tests/driftlock/test_settings.py",
    "tests/ingest/test_json_lines.py",
    "tests/queries/test_export.py",
    "tests/queries/test_filters.py",
    "tests/queries/test_stats.py",
    "tests/queries/test_threshold_replay.py",
    "tests/sources/test_lines.py",
    "tests/test_json_limits.py",
    "tests/test_thresholds.py",
    "tests/triage/test_decisions.py",
    "tests/triage/test_undo.py",
]


class Leg(NamedTuple):
    """A pair of versions, and whether the tests of LANGUAGE run on it or those of DJANGO."""

    python: str
    django: str
    quick: bool = False

    def __str__(self) -> str:
        return f"Python {self.python} with Django {self.django}"


LEGS = [
    Leg("3.12", LTS, quick=True),
    Leg("3.13", NEWEST),
]


def interpreter(version: str) -> str | None:
    """A Python of this version that can make a venv: from PATH, or from pyenv's versions; None without."""
    there = [shutil.which(f"python{version}"), *map(str, sorted(_of_pyenv(version), reverse=True))]
    ask = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    for candidate in filter(None, there):
        # pyenv puts a python3.13 into PATH that only complains unless that version is switched on.
        done = subprocess.run([candidate, "-c", ask], capture_output=True, text=True)
        if done.stdout.strip() == version:
            return candidate
    return None


def _of_pyenv(version: str) -> Iterator[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return root.glob(f"versions/{version}.*/bin/python")


def requirements(django: str) -> str:
    """The pinned requirements, with Django's own pin replaced."""
    files = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    lines = dict.fromkeys(itertools.chain.from_iterable(file.read_text().splitlines() for file in files))
    kept = [line for line in lines if not TOOLS.match(line)]
    pin = f"django>={django},<{int(django.split('.')[0]) + 1}" if "." not in django else f"django~={django}.0"
    return "\n".join(pin if re.match(r"django==", line, re.IGNORECASE) else line for line in kept)


def run(leg: Leg, folder: Path) -> tuple[bool, str]:
    """Return True if its tests passed (or could not run), and a line about it."""
    python = interpreter(leg.python)
    if python is None:
        return True, f"could not run: {leg}: no Python {leg.python} on this machine"
    own = folder / "bin" / "python"
    folder.chmod(0o755)  # as a checkout's .venv is: tests become users who may do less
    (folder / "requirements.txt").write_text(requirements(leg.django))
    pip = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    for command in ([python, "-m", "venv", str(folder)], [*pip, str(folder / "requirements.txt")]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            said = [line for line in done.stdout.splitlines() if "rror" in line] or ["it said nothing"]
            return True, f"could not run: {leg}: {said[-1].strip()}"
    tests = LANGUAGE if leg.quick else DJANGO
    command = [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *WORKERS, *tests]
    passed = subprocess.run(command, cwd=ROOT).returncode == 0
    kind = f"what depends on {'the language' if leg.quick else 'Django'}"
    return passed, f"{'ran' if passed else 'FAILED'} on {_versions(own)}: {kind}"


def _versions(python: Path) -> str:
    ask = (
        "import platform, django, psycopg;"
        "print('Python', platform.python_version() + ', Django', django.__version__ + ', psycopg', "
        "psycopg.__version__)"
    )
    return subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()


def main() -> int:
    summary, all_passed = Path(sys.argv[1]), True
    for leg in LEGS:
        print(f"--- {leg}", flush=True)
        with tempfile.TemporaryDirectory(prefix="driftlock-venv-") as folder:
            passed, line = run(leg, Path(folder))
        with summary.open("a") as file:
            print(line, file=file)
        print(line, flush=True)
        all_passed &= passed
    return 0 if all_passed else 1


if __name__ == "__main__":
    sys.exit(main())
