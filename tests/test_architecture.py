"""The rules of docs/architecture.md, checked against the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.contrib.auth.models import Group
from django.core.management import get_commands, load_command_class

from anomalies.permissions import ROLES
from scripts.architecture import PAGE, written

ROOT = Path(__file__).parent.parent
APP = ROOT / "anomalies"

EVERY_ROOM_A_SURFACE_MAY = set(
    "api_tokens atomic_file audit fields ingest json_column json_limits languages local_times models "
    "notifications ownership permissions privacy queries replica retention safe_text schema sign_in "
    "sources thresholds triage web work".split()
)
# The type of what a manager gives, for annotations; the questions themselves are asked through the manager.
ONLY_A_TYPE = "anomalies.querysets.AnomalyQuerySet"
MAY_IMPORT: dict[str, set[str]] = {
    "api": EVERY_ROOM_A_SURFACE_MAY,
    "api_tokens": {"audit", "fields", "models", "permissions"},
    "apps": {
        "connection_settings",
        "languages",
        "ownership",
        "privacy",
        "replica",
        "schema",
        "sign_in",
        "web",
    },
    "atomic_file": set(),
    "connection_settings": {"stored_times"},
    "detection": {"safe_text"},
    "fields": set(),
    "json_column": {"json_limits"},
    "json_limits": set(),
    "local_times": set(),
    "permissions": set(),
    "sources": {"atomic_file", "detection"},
    "replica": set(),
    "safe_text": set(),
    "stored_times": set(),
    "querysets": set(),
    "models": {"detection", "fields", "json_column", "querysets"},
    "queries": {
        "audit",
        "detection",
        "json_column",
        "json_limits",
        "languages",
        "local_times",
        "models",
        "querysets",
        "replica",
        "schema",
        "stored_times",
        "thresholds",
    },
    "audit": {"atomic_file", "json_column", "models", "schema", "stored_times"},
    "schema": {"atomic_file", "connection_settings", "models"},
    "thresholds": {"audit", "detection", "fields", "models"},
    "triage": {"audit", "fields", "languages", "models", "permissions"},
    "privacy": {"audit", "models", "queries", "querysets", "schema"},
    "ingest": {
        "audit",
        "detection",
        "json_limits",
        "models",
        "privacy",
        "queries",
        "sources",
        "thresholds",
    },
    "retention": {"atomic_file", "audit", "models", "queries", "schema"},
    "work": {"ingest", "models", "notifications", "queries", "triage", "safe_text"},
    "notifications": {
        "audit",
        "fields",
        "ingest",
        "models",
        "ownership",
        "permissions",
        "queries",
        "safe_text",
    },
    "ownership": {"audit", "models", "permissions", "queries", "triage"},
    "migrations": {"fields"},
    "languages": set(),
    "web": {"audit", "connection_settings", "languages", "queries", "replica", "safe_text"},
    "sign_in": {"audit", "permissions", "safe_text", "web"},
    "admin": EVERY_ROOM_A_SURFACE_MAY,
    "management": EVERY_ROOM_A_SURFACE_MAY,
}
# What comes from elsewhere is for these rooms only; the others have the standard library and Django.
OUTSIDE = {
    "admin": {"axes"},
    "api": {"django_filters", "ninja", "prometheus_client", "pydantic"},
    "sign_in": {"allauth", "axes", "jwt", "requests"},
    "web": {"axes", "prometheus_client", "psycopg"},
    "connection_settings": {"psycopg"},
    "audit": {"cryptography", "psycopg", "rfc8785"},
    "detection": {"numpy", "zstandard"},
    "queries": {"django_filters"},
    "retention": {"zstandard"},
    "ingest": {"msgspec", "psycopg", "zstandard"},
    "management": {"distributed", "django_filters", "tqdm"},
    "sources": {"google", "msgspec", "opentelemetry", "zstandard"},
    "privacy": {"stdnum"},
    "schema": {"psycopg"},
    "notifications": {"urllib3"},
}


class Source(NamedTuple):
    path: Path
    room: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))


def sources(folder: Path) -> list[Source]:
    return [
        Source(path, path.relative_to(folder).parts[0].removesuffix(".py"), ast.parse(path.read_text()))
        for path in sorted(folder.rglob("*.py"))
        if path != folder / "__init__.py"
    ]


OURS = sources(APP)
WIRING = sources(ROOT / "driftlock")
WRITTEN_BY_HAND = [source for source in [*OURS, *WIRING] if source.room != "migrations"]
each_source = pytest.mark.parametrize("source", OURS, ids=lambda source: source.name)


def imported(source: Source) -> Iterator[str]:
    """The full names of what a module imports, relative ones made absolute."""
    package = source.path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def rooms_imported(source: Source) -> set[str]:
    names = {name for name in imported(source) if name.startswith("anomalies.")} - {ONLY_A_TYPE}
    return {name.split(".")[1] for name in names} - {source.room}


# --- who may import whom --------------------------------------------------------------------------------


@each_source
def test_a_room_imports_only_the_rooms_it_may(source):
    assert rooms_imported(source) <= MAY_IMPORT[source.room]


@each_source
def test_a_room_imports_from_outside_only_what_it_may(source):
    outside = {name.split(".")[0] for name in imported(source)} - {"anomalies"} - sys.stdlib_module_names
    django = set() if source.room in ("detection", "sources", "safe_text") else {"django"}
    assert outside <= OUTSIDE.get(source.room, set()) | django


@pytest.mark.parametrize("source", WIRING, ids=lambda source: source.name)
def test_the_wiring_imports_no_room(source):
    assert [name for name in imported(source) if name.startswith("anomalies")] == []


def test_the_embedded_server_knows_nothing_of_driftlock():
    files = [source for source in WIRING if source.room == "embedded_postgres"]
    names = {name for source in files for name in imported(source) if name.startswith("driftlock")}
    assert {name for name in names if not name.startswith("driftlock.embedded_postgres.")} == set()


def test_the_table_in_the_docs_is_the_allow_list():
    assert PAGE.read_text() == written(PAGE.read_text(), MAY_IMPORT)


def test_no_folder_holds_more_modules_than_a_reader_can_scan():
    roots = [ROOT / name for name in ("anomalies", "driftlock", "benchmarks", "samples", "scripts", "tests")]
    paths = [path for root in roots for path in root.rglob("*.py") if path.name != "__init__.py"]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in paths)
    grown_by_nature = {"anomalies/migrations", "anomalies/management/commands"}
    assert {folder: n for folder, n in counts.items() if n > 15 and folder not in grown_by_nature} == {}


def test_the_type_checker_is_overruled_in_at_most_ten_places():
    places = [
        s.name for s in WRITTEN_BY_HAND for line in s.path.read_text().splitlines() if "type: ignore" in line
    ]
    assert len(places) <= 10, places


# --- three single writers -------------------------------------------------------------------------------


def where(kind, is_one) -> set[str]:
    """The modules that hold such a node of the syntax."""
    return {
        source.name
        for source in WRITTEN_BY_HAND
        if any(isinstance(node, kind) and is_one(node) for node in ast.walk(source.tree))
    }


def is_method(node: ast.Call, *names: str) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in names


def sets_status(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Attribute) and target.attr == "status" for target in targets)


def updates_status(node: ast.Call) -> bool:
    named = {keyword.arg for keyword in node.keywords}
    return is_method(node, "update", "bulk_update", "update_or_create") and "status" in named


def makes(model: str):
    """A test of a call: it creates rows of a model by its constructor or a manager's method."""

    def is_one(node: ast.Call) -> bool:
        text = ast.unparse(node.func)
        methods = "create|bulk_create|get_or_create|update_or_create"
        return text == model or re.fullmatch(rf"{model}\.objects\.({methods})", text) is not None

    return is_one


def sql(pattern: str):
    return lambda node: isinstance(node.value, str) and re.search(pattern, node.value, re.I) is not None


def test_nobody_assigns_a_status():
    assert where(ast.Assign | ast.AnnAssign | ast.AugAssign, sets_status) == set()


def test_only_transitions_updates_a_status_and_undoing_takes_it_back():
    update = r"update\s+(only\s+)?anomalies\b(?! SET search_document = '', pattern = anomalies.pattern FROM)"
    assert where(ast.Call, updates_status) == {"anomalies/triage/decisions.py"}
    assert where(ast.Constant, sql(update)) == {"anomalies/triage/undo.py"}


def test_only_ingest_creates_anomalies():
    writers = where(ast.Constant, sql(r"(insert\s+into|copy)\s+anomalies")) | where(
        ast.Call, makes("Anomaly")
    )
    assert {name.split("/")[1] for name in writers} == {"ingest"}


def test_only_retention_deletes_anomalies():
    deletions = where(ast.Constant, sql(r"delete\s+from\s+(only\s+)?(\{anomalies\}|anomalies\b)"))
    assert deletions == {"anomalies/retention/deletion.py"}
    assert where(ast.Call, lambda n: is_method(n, "delete") and "Anomaly." in ast.unparse(n.func)) == set()


def test_no_python_writes_the_audit_log():
    changes = ("update", "delete", "save", "bulk_update")
    assert where(ast.Call, makes("AuditLog")) == set()
    assert where(ast.Call, lambda n: is_method(n, *changes) and "AuditLog" in ast.unparse(n.func)) == set()
    assert where(ast.Constant, sql(r"(insert\s+into|update|delete\s+from|copy)\s+audit_log")) == set()


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [*OURS, *WIRING], ids=lambda source: source.name)
def test_a_module_says_what_it_is_for(source):
    assert ast.get_docstring(source.tree) or not source.tree.body


@pytest.mark.parametrize("source", WRITTEN_BY_HAND, ids=lambda source: source.name)
def test_what_is_public_has_a_docstring(source):
    silent = [
        node.name
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and node.name != "Command"  # its help text says it
        and not ast.get_docstring(node)
    ]
    assert silent == []


def our_commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app == "anomalies")


@pytest.mark.parametrize("name", our_commands())
def test_a_command_says_what_it_does(name):
    assert load_command_class("anomalies", name).help.strip().endswith(".")


def tracked_text() -> Iterator[tuple[str, str]]:
    listed = [
        "git",
        "-c",
        f"safe.directory={ROOT}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("this is no checkout of git")
    for name in filter(None, done.stdout.split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data[:8192]:
            yield name, data.decode(errors="replace")


def test_no_text_names_a_folder_of_somebodys_machine():
    somewhere = re.compile(r"(?<![\w.\])}/])/(home|root|Users|work|mnt)/[\w.]+")
    found = [f"{name}: {match[0]}" for name, text in tracked_text() for match in somewhere.finditer(text)]
    assert found == []


# --- roles ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_the_migration_gives_a_role_what_permissions_says(role):
    given = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    assert {f"{app}.{codename}" for app, codename in given} == {f"anomalies.{name}" for name in ROLES[role]}


@pytest.mark.django_db
def test_there_are_no_other_roles():
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
