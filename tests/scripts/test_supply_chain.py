"""The dependencies: the bill of materials, and the check for known vulnerabilities."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PINS = "Django==5.2.19\nsqlparse==0.6.1\n"
FLAW = {
    "id": "PYSEC-0000-1",
    "summary": "a flaw",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.2.20"}]}],
        }
    ],
}


class Service(BaseHTTPRequestHandler):
    """A service like OSV, which reports one flaw of Django if it is configured so."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.delay)
        flawed = self.server.flawed and query["package"]["name"] == "django"
        body = json.dumps({"vulns": [FLAW]} if flawed else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.flawed, server.delay = False, 0.0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(tmp_path: Path, port: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """The output of scripts/audit.py for two pins and a service on this port."""
    (tmp_path / "pins.txt").write_text(PINS)
    url = f"http://127.0.0.1:{port}/v1/query"
    command = [sys.executable, str(ROOT / "scripts/audit.py"), "pins.txt", "--vulnerability-service=osv"]
    return subprocess.run(
        [*command, f"--osv-url={url}", f"--cache-dir={tmp_path / 'cache'}"],
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_known_vulnerability_fails_and_is_named(tmp_path, service):
    service.flawed = True
    done = audit(tmp_path, service.server_port)
    assert done.returncode == 1
    assert "pins.txt: django 5.2.19: PYSEC-0000-1, fixed in 5.2.20" in done.stdout


def test_without_one_it_says_how_many_were_looked_at(tmp_path, service):
    done = audit(tmp_path, service.server_port)
    assert (done.returncode, done.stdout) == (0, "pins.txt: 2 packages looked at, 0 known vulnerabilities\n")


def test_without_a_way_to_the_service_it_could_not_run_and_does_not_fail(tmp_path):
    done = audit(tmp_path, 9)
    assert (done.returncode, done.stdout[:36]) == (0, "could not run: pip-audit of pins.txt")


def test_a_service_that_does_not_answer_is_not_waited_for(tmp_path, service):
    service.delay = 30
    done = audit(tmp_path, service.server_port, DRIFTLOCK_AUDIT_SECONDS="3")
    assert (done.returncode, "no answer within 3 s" in done.stdout) == (0, True)


# --- the bill of materials --------------------------------------------------------------------------------


def bill(folder: Path) -> bytes:
    """The bill of materials as `make check` writes it to sbom.json."""
    options = "--pyproject pyproject.toml --output-reproducible --validate --output-file"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "requirements.txt", *options.split()]
    subprocess.run([*command, str(folder / "sbom.json")], cwd=ROOT, check=True, capture_output=True)
    return (folder / "sbom.json").read_bytes()


def test_the_bill_of_materials_names_each_pinned_requirement_and_no_other(tmp_path):
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    components = json.loads(bill(tmp_path))["components"]
    assert {component["name"]: component["version"] for component in components} == pins
    assert all(component["purl"].startswith("pkg:pypi/") for component in components)


def test_the_bill_of_materials_is_the_same_each_time_and_names_the_product(tmp_path):
    first, again = bill(tmp_path), bill(tmp_path)
    assert first == again
    assert json.loads(first)["metadata"]["component"]["name"] == "driftlock"


def test_make_check_asks_all_of_them():
    recipe = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    assert [tool for tool in ("bandit", "cyclonedx_py", "scripts/audit.py") if tool not in recipe] == []
