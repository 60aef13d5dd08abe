"""scripts/lint_migrations.py: what is unsafe on a large table under traffic is refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from scripts.lint_migrations import ROOT, excused, in_operations, in_order_of_locks, in_sql

UNSAFE = {
    "ALTER TABLE anomalies ADD COLUMN x text NOT NULL": "adding-required-field",
    "ALTER TABLE anomalies ADD COLUMN x float8 DEFAULT random() NOT NULL": "adding-field-with-default",
    "ALTER TABLE anomalies ALTER COLUMN notes SET NOT NULL": "adding-not-nullable-field",
    "ALTER TABLE anomalies ALTER COLUMN notes TYPE varchar(50)": "changing-column-type",
    "ALTER TABLE anomalies ADD CONSTRAINT c CHECK (p_value > 0)": "constraint-missing-not-valid",
    "ALTER TABLE anomalies ADD CONSTRAINT c UNIQUE (timestamp)": "disallowed-unique-constraint",
    "ALTER TABLE anomalies RENAME COLUMN notes TO remarks": "renaming-column",
    "ALTER TABLE anomalies DROP COLUMN notes": "ban-drop-column",
    "CREATE INDEX i ON anomalies (notes)": "require-concurrent-index-creation",
    "CREATE INDEX CONCURRENTLY i ON anomalies (notes)": "ban-concurrent-index-creation-in-transaction",
    "DROP INDEX idx_anomalies_status": "require-concurrent-index-deletion",
    "DROP TABLE anomalies": "ban-drop-table",
    "LOCK TABLE anomalies": "heavy-lock",
    "ALTER TABLE anomalies ADD COLUMN x text; UPDATE anomalies SET x = ''": "fill-under-lock",
}
SAFE = [
    "ALTER TABLE anomalies ADD COLUMN x text NULL",
    "ALTER TABLE anomalies ADD COLUMN version integer DEFAULT 1 NOT NULL",
    "ALTER TABLE anomalies ADD CONSTRAINT c CHECK (p_value > 0) NOT VALID",
    "ALTER TABLE anomalies VALIDATE CONSTRAINT c",
    "CREATE TABLE seals (id bigserial PRIMARY KEY); CREATE INDEX i ON seals (id)",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE anomalies SET notes = '' $$;"
    " ALTER TABLE anomalies ADD COLUMN x text",
    "UPDATE anomalies SET notes = '' WHERE notes IS NULL",
]


def rules(sql: str) -> set[str]:
    return {problem.rule for problem in in_sql("0099_new", f"BEGIN;\n{sql};\nCOMMIT;")}


def of_migration(*operations, atomic: bool = True) -> set[str]:
    migration = migrations.Migration("0099_new", "anomalies")
    migration.operations, migration.atomic = list(operations), atomic
    return {problem.rule for problem in in_operations("0099_new", migration)}


@pytest.mark.parametrize(("sql", "rule"), UNSAFE.items())
def test_what_is_unsafe_is_refused(sql, rule):
    assert rule in rules(sql)


@pytest.mark.parametrize("sql", SAFE)
def test_what_is_safe_passes(sql):
    assert rules(sql) == set()


def test_what_is_no_sql_is_refused():
    assert rules("ALTER TABEL anomalies") == {"syntax-error"}


def test_a_build_outside_a_transaction_passes():
    assert list(in_sql("0099_new", "CREATE INDEX CONCURRENTLY i ON anomalies (notes);")) == []


def test_a_migration_without_a_transaction_may_hold_only_what_can_be_run_again():
    build = AddIndexConcurrently("anomaly", models.Index(fields=["notes"], name="i"))
    add = migrations.AddField("anomaly", "x", models.TextField(null=True))
    assert of_migration(build, atomic=False) == set()
    assert of_migration(build, add, atomic=False) == {"not-repeatable"}
    assert of_migration(add) == set()


def test_a_migration_needs_a_reverse():
    assert of_migration(migrations.RunSQL(["SELECT 1"])) == {"no-reverse"}


def test_sql_comes_as_a_list():
    assert of_migration(migrations.RunSQL("SELECT 1", [])) == {"one-string"}


def test_locks_are_taken_in_the_order_in_which_writers_take_them():
    first, last = "DROP TRIGGER a ON anomalies", 'ALTER TABLE "audit_log" ADD COLUMN x text'
    assert [problem.rule for problem in in_order_of_locks("0099", f"{last}; {first}")] == ["lock-order"]
    assert list(in_order_of_locks("0099", f"{first}; {last}")) == []


def test_an_exception_excuses_one_rule_of_one_migration():
    problems = list(in_sql("0099_new", "DROP TABLE anomalies; CREATE INDEX i ON audit_log (id);"))
    left = excused(problems, {("0099_new", "ban-drop-table"): "it is empty"})
    assert {problem.rule for problem in left} == {"require-concurrent-index-creation"}


def test_an_exception_that_is_not_needed_is_an_error():
    assert [problem.rule for problem in excused([], {("0099_new", "ban-drop-table"): "no more"})] == [
        "ban-drop-table"
    ]


@pytest.mark.slow
@pytest.mark.django_db
def test_our_migrations_pass():
    script = [sys.executable, str(ROOT / "scripts" / "lint_migrations.py")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "driftlock.settings"}
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert re.fullmatch(r"read \d+ migrations, 0 problems\n", done.stderr)
