"""``manage.py schema adopt``: a database that golang-migrate made, taken over in place."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.commands import migrate
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from anomalies.schema.adopt.golang_migrate import lock_id, lock_ids
from anomalies.schema.catalog import plain
from tests.schema.conftest import rows_and_files
from tests.support.databases import as_default
from tests.support.processes import manage, wait_until
from tests.support.programs.golang_migrate import (
    CONTRACT,
    TABLES,
    Database,
)

pytestmark = pytest.mark.slow

# --- the whole way ----------------------------------------------------------------------------------------


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(database):
    code, printed, said = database.schema("adopt")
    assert (code, "nothing was changed" in said) == (0, True)
    assert "repaired: column anomalies.id: was uuid NOT NULL DEFAULT public.uuid_generate_v4()" in printed
    assert "harmless: table schema_migrations" in printed
    assert database.run("SELECT to_regclass('django_migrations'), to_regclass('schema_adoptions')") == [
        (None, None)
    ]


def test_it_is_taken_over_and_every_row_is_as_it_was(adoption):
    assert (adoption.code, "adopted" in adoption.said) == (0, True), adoption.said
    assert rows_and_files(adoption.database) == adoption.before
    assert "every row is as it was" in adoption.printed


def test_then_the_schema_is_what_the_migrations_make(adoption):
    code, printed, said = adoption.database.schema("check")
    assert (code, printed) == (0, ""), said
    assert "that existed before the adoption" in said


def test_it_is_recorded_who_did_what(adoption):
    ((by, version, steps, finished),) = adoption.database.run(
        "SELECT by_user, golang_version, steps, finished_at IS NOT NULL FROM schema_adoptions"
    )
    assert (by, version, finished) == ("ana", 1, True)
    assert any("gen_random_uuid" in step["do"] and "uuid_generate_v4" in step["undo"] for step in steps)


def test_a_second_time_does_nothing(adopted):
    before = adopted.run("SELECT count(*) FROM audit_log"), rows_and_files(adopted)
    assert adopted.schema("adopt", "--apply")[::2] == (0, "adopted already; nothing to do\n")
    assert (adopted.run("SELECT count(*) FROM audit_log"), rows_and_files(adopted)) == before


CATALOG = """
    SELECT 'c', attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod), attnotnull,
           pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid IN (SELECT oid FROM pg_class
                       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v'))
      AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'k', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), convalidated, NULL
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT 'i', '', indexname::text, indexdef, true, NULL FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 't', '', tgname::text, pg_get_triggerdef(oid), tgenabled <> 'D', NULL FROM pg_trigger
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 'v', '', viewname::text, definition, true, NULL FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT 'f', '', proname::text, prosrc, prosecdef, NULL FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3
"""


def catalog_of(database: Database) -> list[tuple]:
    """The catalog, in words that do not depend on how a CHECK was written."""
    return [
        (*row[:3], plain("constraint", row[3]), *row[4:]) if row[0] == "k" else row
        for row in database.run(CATALOG)
    ]


def test_it_can_be_undone_to_the_last_definition_and_row_and_adopted_again(adopted, adoption, database):
    code, _, said = adopted.schema("adopt", "--undo")
    assert code == 0, said
    assert catalog_of(adopted) == catalog_of(database)
    assert adopted.run(CONTRACT) == adoption.before[0]
    assert adopted.schema("adopt", "--apply")[0] == 0
    assert adopted.schema("check")[0] == 0


def test_what_was_interrupted_goes_on(database):
    """Killed while it waits for a table: what is done is written down, and the next run does the rest."""
    with database.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("LOCK TABLE anomalies IN ACCESS SHARE MODE")
        process = manage("schema", "adopt", "--apply", database=database.name, remembers=True)
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'anomalies'::regclass"
        wait_until(lambda: database.run(waits))
        process.kill()
        process.communicate()
    code, _, said = database.schema("adopt", "--apply")
    assert code == 0, said
    assert database.schema("check")[0] == 0


# --- golang-migrate itself --------------------------------------------------------------------------------


def test_the_lock_is_golang_migrates():
    """The numbers are those of golang-migrate's own test, database/util_test.go."""
    assert lock_id("database_name") == 1764327054
    assert lock_id("database_name", "schema_name_1") == 2453313553


@pytest.mark.parametrize("path", ["/{}", "{}"], ids=["its command line", "a program that connects itself"])
def test_while_golang_migrate_works_nothing_is_begun(path, database):
    """Its command line makes the number from the URL's path, which begins with a slash."""
    number = lock_id(path.format(database.name), "public", "schema_migrations")
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [number])
        code, _, said = database.schema("adopt", "--apply", "--patience", "0.5")
        assert code == 1 and f"process {other.info.backend_pid} of the server holds its lock" in said
    assert database.run("SELECT to_regclass('schema_adoptions')") == [(None,)]


def test_while_it_adopts_golang_migrate_waits(database):
    with database.connect() as reader:  # in the way of the first step
        reader.execute("BEGIN; LOCK TABLE anomalies IN ACCESS SHARE MODE")
        process = manage("schema", "adopt", "--apply", database=database.name, remembers=True)
        try:
            held = "SELECT count(*) FROM pg_locks WHERE objid = ANY (%s::bigint[]::oid[])"
            wait_until(lambda: database.run(held, lock_ids(database.name)) == [(6,)])
        finally:
            reader.execute("ROLLBACK")
            process.communicate(timeout=600)
    assert process.returncode == 0


# --- wrong databases --------------------------------------------------------------------------------------

REFUSED = {
    "dirty": ("UPDATE schema_migrations SET dirty = true", "left version 1 dirty"),
    "unknown version": ("UPDATE schema_migrations SET version = 2", "version is 2; only 1 is known"),
    "no version": ("DELETE FROM schema_migrations", "no row in schema_migrations"),
    "two versions": ("INSERT INTO schema_migrations VALUES (2, false)", "has 2 rows"),
    "not Django's": ("CREATE TABLE django_migrations (id integer)", "django_migrations is not Django's"),
    "not our journal": ("CREATE TABLE schema_adoptions (id integer)", "schema_adoptions is not ours"),
    "none of golang's": ("DROP TABLE schema_migrations", "golang-migrate did not make it"),
    "its version in another schema": (
        "CREATE SCHEMA other; ALTER TABLE schema_migrations SET SCHEMA other",
        "schema_migrations is in the schema other",
    ),
    "another schema": (
        "CREATE SCHEMA other; " + "; ".join(f"ALTER TABLE {table} SET SCHEMA other" for table in TABLES),
        "none of the contract's tables",
    ),
}
BLOCKING = {
    "missing column": ("ALTER TABLE anomalies DROP COLUMN notes", "column anomalies.notes: is missing"),
    "missing table": ("DROP TABLE performance_metrics", "table performance_metrics: is missing"),
    "wrong type": ("ALTER TABLE audit_log ALTER username TYPE text", "column audit_log.username: is text"),
    "rows that break a rule": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_p_value_check; "
        "UPDATE anomalies SET p_value = 2 WHERE glass_box_explanation IN ('row 1', 'row 2')",
        "2 rows break it",
    ),
    "two active configs": (
        "DROP INDEX idx_detection_config_active; INSERT INTO detection_config (is_active) VALUES (true)",
        "2 rows break it",
    ),
    "a column that must be given": (
        "ALTER TABLE anomalies ADD COLUMN own text NOT NULL DEFAULT 'x'; "
        "ALTER TABLE anomalies ALTER own DROP DEFAULT",
        "column anomalies.own: must be given",
    ),
    "a rule of their own": (
        "ALTER TABLE anomalies ADD CONSTRAINT own CHECK (ncd_score < 0.9)",
        "constraint own on anomalies: may refuse",
    ),
    "a name of ours": ("CREATE TABLE auth_user (id integer)", "table auth_user: is in the way"),
    "a column of ours": (
        "ALTER TABLE anomalies ADD COLUMN novelty text",
        "column anomalies.novelty: is in the way",
    ),
    "a name of ours on something else": (
        "CREATE VIEW auth_user AS SELECT 1 AS id",
        "view auth_user: is in the way",
    ),
    "an index of our name elsewhere": (
        "CREATE TABLE own (id integer); CREATE INDEX idx_anomalies_words ON own (id)",
        "index idx_anomalies_words on own: is in the way",
    ),
    "another role's": (
        "ALTER VIEW anomaly_stats_by_stream OWNER TO pg_monitor",
        "view anomaly_stats_by_stream: is not the tables' owner's (owned by pg_monitor",
    ),
    "another role's table": (
        "ALTER TABLE audit_log OWNER TO pg_monitor",
        "table audit_log: is not the tables' owner's (owned by pg_monitor",
    ),
    "a key that is an identity": (
        "ALTER TABLE audit_log ALTER id DROP DEFAULT; ALTER TABLE audit_log ALTER id "
        "ADD GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME audit_log_id_seq2)",
        "column audit_log.id: is bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY",
    ),
    "no primary key": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_pkey",
        "anomalies_pkey on anomalies: is missing",
    ),
}
REPAIRED = {
    "missing CHECK": "ALTER TABLE anomalies DROP CONSTRAINT anomalies_p_value_check",
    "CHECK that is not validated": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_status_check; "
        "ALTER TABLE anomalies ADD CONSTRAINT anomalies_status_check "
        "CHECK (status IN ('pending', 'acknowledged', 'dismissed', 'investigating')) NOT VALID"
    ),
    "narrower CHECK": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_status_check; "
        "ALTER TABLE anomalies ADD CONSTRAINT anomalies_status_check "
        "CHECK (status IN ('pending', 'acknowledged', 'dismissed'))"
    ),
    "CHECK under another name": "ALTER TABLE anomalies RENAME CONSTRAINT anomalies_p_value_check TO p_is_p",
    "primary key under another name": "ALTER TABLE audit_log RENAME CONSTRAINT audit_log_pkey TO audit_pk",
    "missing index": "DROP INDEX idx_anomalies_tags",
    "index under another name": "ALTER INDEX idx_anomalies_tags RENAME TO tags_idx",
    "index of another column": "DROP INDEX idx_anomalies_status; "
    "CREATE INDEX idx_anomalies_status ON anomalies (p_value)",
    "missing trigger": "DROP TRIGGER update_anomalies_updated_at ON anomalies",
    "disabled trigger": "ALTER TABLE anomalies DISABLE TRIGGER update_anomalies_updated_at",
    "missing trigger function": "DROP FUNCTION update_updated_at_column() CASCADE",
    "missing view": "DROP VIEW anomaly_stats_by_stream",
    "missing NOT NULL": "ALTER TABLE anomalies ALTER p_value DROP NOT NULL",
    "needless NOT NULL": "ALTER TABLE detection_config ALTER stream_overrides SET NOT NULL",
    "missing default": "ALTER TABLE anomalies ALTER status DROP DEFAULT",
    "extra index, table and columns": (
        "CREATE INDEX own ON anomalies (confidence_level); CREATE TABLE own_table (id integer); "
        "ALTER TABLE anomalies ADD COLUMN own text; "
        "ALTER TABLE anomalies ADD COLUMN more integer GENERATED ALWAYS AS (1) STORED NOT NULL"
    ),
    "storage": (
        "ALTER TABLE anomalies SET (autovacuum_enabled = off); ALTER TABLE anomalies REPLICA IDENTITY FULL; "
        "ALTER TABLE anomalies ALTER window_data SET STORAGE EXTERNAL"
    ),
    "function with settings": "ALTER FUNCTION update_updated_at_column() SET search_path = pg_catalog",
    "view of other columns": (
        "DROP VIEW anomaly_stats_by_stream; CREATE VIEW anomaly_stats_by_stream WITH (security_barrier) "
        "AS SELECT count(*) AS total FROM anomalies; GRANT SELECT ON anomaly_stats_by_stream TO PUBLIC"
    ),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_database_of_another_kind_is_refused(wrong, database):
    statement, words = REFUSED[wrong]
    database.run(statement)
    code, _, said = database.schema_here("adopt", "--apply")
    assert code == 1 and words in said
    assert database.run("SELECT 1 FROM pg_attribute WHERE attname = 'novelty'") == []


@pytest.mark.parametrize("wrong", BLOCKING)
def test_what_cannot_be_repaired_blocks_and_is_named(wrong, database):
    statement, words = BLOCKING[wrong]
    database.run(statement)
    code, printed, _ = database.schema_here("adopt", *(["--apply"] if wrong == "missing column" else []))
    assert code == 1 and (wrong == "missing column" or words in printed), printed
    assert database.run("SELECT to_regclass('django_migrations')") == [(None,)]


TOGETHER = {
    "what is missing": [name for name in REPAIRED if name.startswith("missing") and "function" not in name],
    "what is otherwise": [
        name for name in REPAIRED if not name.startswith("missing") and "valid" not in name
    ],
    "no function": ["missing trigger function", "CHECK that is not validated"],
}


@pytest.mark.parametrize("wrong", TOGETHER)
def test_what_can_be_repaired_is_and_can_be_undone(wrong, database):
    for name in TOGETHER[wrong]:
        database.run(REPAIRED[name])
    before = catalog_of(database)
    code, _, said = database.schema("adopt", "--apply")
    assert code == 0, said
    assert database.schema("check")[:2] == (0, "")
    assert database.schema("adopt", "--undo")[0] == 0
    assert catalog_of(database) == before


def test_where_no_config_is_the_default_one_is_made(database):
    database.run("DELETE FROM detection_config")
    assert database.schema("adopt", "--apply")[0] == 0
    assert database.run("SELECT is_active, ncd_threshold FROM detection_config") == [(True, 0.5)]


def test_what_was_not_changed_is_no_drift_until_it_changes(database):
    database.run("ALTER TABLE anomalies SET (fillfactor = 90)")
    database.schema("adopt", "--apply")
    assert database.schema("check")[0] == 0
    database.run("ALTER TABLE anomalies SET UNLOGGED")
    code, printed, _ = database.schema("check")
    assert code == 1 and "differs: table anomalies" in printed and "SET LOGGED" in printed


@pytest.mark.parametrize("wrong", ["missing column", "wrong type", "a rule of their own", "no primary key"])
def test_djangos_fake_initial_says_yes_to_them(wrong, database):
    """Django's --fake-initial compares only names of tables and columns, so it can't replace adoption."""
    database.run(BLOCKING[wrong][0])
    with as_default(database.name):
        call_command(migrate.Command(), "anomalies", "0001", fake_initial=True, verbosity=0)
        assert ("anomalies", "0001_contract_tables") in MigrationRecorder(connection).applied_migrations()
