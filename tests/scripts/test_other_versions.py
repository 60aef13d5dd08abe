"""scripts/other_versions.py: which Pythons and Djangos the tests run on besides the default."""

from __future__ import annotations

import re
import sys

import pytest

from scripts.other_versions import NEWEST, Leg, interpreter, requirements, run

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def pins(django: str) -> dict[str, str]:
    lines = [line for line in requirements(django).splitlines() if not line.startswith("#")]
    return {re.split(r"[=<>~]", line)[0].lower(): line for line in lines}


def test_a_python_that_is_not_there_is_said_to_be_missing(tmp_path):
    passed, line = run(Leg("3.99", NEWEST, quick=True), tmp_path)
    assert passed
    assert line == "could not run: Python 3.99 with Django 6: no Python 3.99 on this machine"


def test_what_only_pretends_to_be_a_python_is_passed_over(tmp_path, monkeypatch):
    pretender = tmp_path / "python3.99"
    pretender.write_text("#!/bin/sh\nexit 127\n")
    pretender.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert interpreter("3.99") is None


def test_a_python_of_pyenvs_is_found(tmp_path, monkeypatch):
    python = tmp_path / "versions" / f"{HERE}.0" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert interpreter(HERE) == str(python)


@pytest.mark.parametrize(("django", "pin"), [("5.2", "django~=5.2.0"), ("6", "django>=6,<7")])
def test_only_the_pin_of_django_is_replaced(django, pin):
    usual, other = pins("5.2"), pins(django)
    assert other["django"] == pin
    assert {**other, "django": ""} == {**usual, "django": ""}
    assert "==" in other["psycopg"]
