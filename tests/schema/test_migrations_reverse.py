"""Down and up again with rows in the tables; DRIFTLOCK_TEST_ROWS sets how many a table.

What each migration's reverse drops is said in docs/schema.md, and compared with the live catalog here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from psycopg import sql

from anomalies.schema.checksums import Checksum, checksum
from tests.support.databases import catalog, connect, database, through_django
from tests.support.processes import ROOT, manage
from tests.support.sizes import amount

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROWS = amount("DRIFTLOCK_TEST_ROWS")
PAGE = (ROOT / "docs" / "schema.md").read_text()
MIGRATIONS = sorted(file.stem for file in (ROOT / "anomalies" / "migrations").glob("0*.py"))

WRITTEN = {"audit_log": "action NOT IN ('baseline', 'alter')"}
TABLES = ["anomalies", "detection_config", "performance_metrics", "audit_log"]
FILL = [
    """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
        compression_baseline, compression_window, compression_combined, compression_ratio_change,
        confidence_level, is_statistically_significant, baseline_data, window_data, metadata, tags, notes,
        novelty, dismissal_reason, dismissed_by, dismissed_at)
    SELECT now() - n * interval '1 minute', (ARRAY['logs', 'metrics', 'traces', 'llm'])[1 + n % 4],
        random(), random() / 10, CASE WHEN n % 5 = 0 THEN 'dismissed' ELSE 'pending' END,
        n % 10 || ' of 10 lines are new', random(), random(), random(), random() * 100, random(), n % 3 = 0,
        to_jsonb(ARRAY['checkpoint ' || n]), to_jsonb(ARRAY['deadlock ' || n]),
        jsonb_build_object('host', 'db' || n % 20), ARRAY['db', 'n' || n % 7],
        CASE WHEN n % 5 = 0 THEN 'seen, “harmless” ' || n END, random(),
        CASE WHEN n % 5 = 0 THEN 'known_harmless' END, CASE WHEN n % 5 = 0 THEN 'ana' END,
        CASE WHEN n % 5 = 0 THEN now() END
    FROM generate_series(1, {rows}) AS n
    """,
    "INSERT INTO detection_config (ncd_threshold) SELECT random() FROM generate_series(1, {rows} / 100)",
    """
    INSERT INTO performance_metrics (metric_type, endpoint, duration_ms, metadata)
    SELECT 'request', '/' || n % 50, n % 1000, jsonb_build_object('n', n)
    FROM generate_series(1, {rows}) AS n
    """,
]


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker) -> Iterator[str]:
    """A database with every migration applied and rows in every table; each anomaly has an audit entry."""
    with django_db_blocker.unblock(), database() as name:
        migrate(name)
        with connect(name) as session:
            for statement in FILL:
                session.execute(statement.replace("{rows}", str(ROWS)))
            session.execute("UPDATE anomalies SET metadata = metadata || '{\"seen\": true}'")
        yield name


def migrate(name: str, *target: str) -> None:
    process = manage("migrate", *target, "--verbosity", "0", database=name)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()


def contract() -> dict[str, list[str]]:
    """The columns of each table as the first migration made them, which are the contract's."""
    state = MigrationLoader(None).project_state([("anomalies", MIGRATIONS[0])])
    models = state.apps.get_models()
    return {model._meta.db_table: [field.column for field in model._meta.local_fields] for model in models}


def sums(name: str) -> dict[str, Checksum]:
    """The checksum of each table's contract columns; without the entries that migrations append."""
    with through_django(name) as connection:
        return {
            table: checksum(table, columns, connection, sql.SQL(WRITTEN.get(table, "true")))
            for table, columns in contract().items()
        }


def promised(migration: str) -> str:
    """The names that the page lists as dropped by a migration's reverse."""
    section = PAGE.split("\n## What a reverse migration drops\n")[1].split("\n## ")[0]
    found = re.search(rf"^\| {migration[:4]} \|(.*)\|$", section, re.MULTILINE)
    return found[1] if found else ""


def dropped(before: set[tuple[str, str, str]], after: set[tuple[str, str, str]]) -> set[str]:
    """The names of what is gone; a relation's columns are not named beside the relation."""
    gone = {name for _, name, _ in before} - {name for _, name, _ in after}
    return {name.split(".")[-1] for name in gone if name.split(".")[0] not in gone - {name}}


def test_the_tables_of_the_contract_are_filled(filled):
    counted = {table: found.rows for table, found in sums(filled).items()}
    assert list(counted) == TABLES
    assert min(counted["anomalies"], counted["performance_metrics"], counted["audit_log"]) >= ROWS


def test_down_to_the_contract_and_up_again_loses_no_row_and_gives_the_same_catalog(filled):
    with database(filled) as name:
        rows, schema = sums(name), catalog(name)
        migrate(name, "anomalies", "0001")
        assert sums(name) == rows
        assert {row for row in catalog(name) if row[0] in ("trigger", "function", "view")} == set()
        migrate(name)
        assert (sums(name), catalog(name)) == (rows, schema)


def test_down_to_zero_drops_the_tables_and_up_gives_the_same_catalog(filled):
    with database(filled) as name:
        schema = catalog(name)
        migrate(name, "anomalies", "zero")
        assert {table for kind, table, _ in catalog(name) if kind == "relation"} & set(TABLES) == set()
        migrate(name)
        assert catalog(name) == schema


def steps_down(name: str) -> Iterator[tuple[str, set[str]]]:
    """Each migration as it is taken back, the last one first, and the names that its reverse dropped."""
    seen = [catalog(name)]

    def look(action: str, migration: Migration | None = None, fake: bool | None = False) -> None:
        if migration and action == "unapply_success" and migration.app_label == "anomalies":
            seen.append(catalog(name))
            taken.append((migration.name, dropped(seen[-2], seen[-1])))

    taken: list[tuple[str, set[str]]] = []
    with through_django(name) as connection:
        MigrationExecutor(connection, look).migrate([("anomalies", None)])
    return iter(taken)


def test_each_step_down_drops_what_the_page_says_and_nothing_else(filled):
    with database(filled) as name:
        steps = dict(steps_down(name))
    assert sorted(steps) == MIGRATIONS
    del steps[MIGRATIONS[0]]  # with a table goes all that is in it
    unsaid = {step: [of for of in gone if of not in promised(step)] for step, gone in steps.items()}
    assert {step: names for step, names in unsaid.items() if names} == {}


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_the_page_says_of_each_migration_what_its_reverse_drops(migration):
    assert promised(migration).strip()
