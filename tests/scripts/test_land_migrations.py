"""Migrations that have landed never change: scripts/land_migrations.py and its manifest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.land_migrations import MANIFEST, MIGRATIONS, differences, land, landed

FIRST = "0001_contract_tables.py"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the migrations and their manifest."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


def test_every_migration_has_landed_and_none_was_changed():
    assert differences() == []


def test_the_first_nine_are_in_the_manifest():
    assert len([name for name in landed() if name < "0010"]) == 9


@pytest.mark.parametrize("change", [b"\n", b"# a word more\n"])
def test_a_changed_migration_is_named(folder, change):
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + change)
    assert differences(folder) == [f"{FIRST} has landed and was changed"]


def test_a_removed_migration_is_named(folder):
    (folder / FIRST).unlink()
    assert differences(folder) == [f"{FIRST} has landed and was removed"]


def test_a_migration_that_is_not_listed_is_named(folder):
    (folder / "9999_new.py").write_text("")
    assert differences(folder) == [f"9999_new.py is not in {MANIFEST}: run scripts/land_migrations.py"]


def test_landing_adds_what_is_new(folder):
    (folder / "9999_new.py").write_text("")
    assert (land(folder), differences(folder)) == (["9999_new.py"], [])


def test_landing_changes_and_removes_no_entry(folder):
    before = landed(folder)
    (folder / FIRST).write_text("changed")
    (folder / "0002_updated_at_triggers.py").unlink()
    assert (land(folder), landed(folder)) == ([], before)


def test_a_checkouts_line_ends_are_no_change(folder):
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes().replace(b"\n", b"\r\n"))
    assert differences(folder) == []
