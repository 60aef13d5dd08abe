"""``manage.py schema``: every drift is named, and the ways down and aside say what they do."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from anomalies.schema import catalog, drift
from anomalies.schema.catalog import Catalog
from anomalies.schema.contract_tables import TABLES
from anomalies.schema.drift_fixes import advice, filled_tables
from anomalies.schema.migrate import migration_state
from anomalies.schema.roles import Names, make_roles
from anomalies.schema.scratch_database import applied_targets, migrate_to, scratch_database
from tests.support.factories import make_anomaly
from tests.support.processes import manage


def run(*statements: str) -> list[tuple]:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def expected(django_db_setup, django_db_blocker) -> Catalog:
    with django_db_blocker.unblock():
        made = drift.expected_catalog(applied_targets(connection))
        connection.close()
        return made


OTHER_FUNCTION = "RETURNS trigger LANGUAGE plpgsql {} AS $$ BEGIN RETURN NEW; END; $$"
VIEW = (
    "CREATE VIEW anomaly_stats_by_stream AS SELECT 'logs'::varchar(50) AS stream_type, 1 AS total_anomalies"
)

# What was done by hand → the object that has to be named.
DRIFTS: dict[str, tuple[str, str, str]] = {
    "column dropped": ("ALTER TABLE anomalies DROP COLUMN novelty", "column", "anomalies.novelty"),
    "column added": ("ALTER TABLE anomalies ADD COLUMN extra text", "column", "anomalies.extra"),
    "type widened": ("ALTER TABLE audit_log ALTER username TYPE text", "column", "audit_log.username"),
    "type narrowed": (
        "ALTER TABLE anomalies ALTER dismissed_by TYPE varchar(9)",
        "column",
        "anomalies.dismissed_by",
    ),
    "default changed": (
        "ALTER TABLE anomalies ALTER status SET DEFAULT 'dismissed'",
        "column",
        "anomalies.status",
    ),
    "default dropped": ("ALTER TABLE anomalies ALTER id DROP DEFAULT", "column", "anomalies.id"),
    "NOT NULL dropped": ("ALTER TABLE anomalies ALTER p_value DROP NOT NULL", "column", "anomalies.p_value"),
    "NOT NULL added": ("ALTER TABLE anomalies ALTER notes SET NOT NULL", "column", "anomalies.notes"),
    "collation changed": (
        'ALTER TABLE audit_log ALTER action TYPE varchar(50) COLLATE "C"',
        "column",
        "audit_log.action",
    ),
    "column renamed": (
        "ALTER TABLE performance_metrics RENAME endpoint TO path",
        "column",
        "performance_metrics.endpoint",
    ),
    "CHECK dropped": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_p_value_check",
        "constraint",
        "anomalies_p_value_check on anomalies",
    ),
    "CHECK changed": (
        "ALTER TABLE anomalies DROP CONSTRAINT anomalies_p_value_check; "
        "ALTER TABLE anomalies ADD CONSTRAINT anomalies_p_value_check CHECK (p_value >= 0)",
        "constraint",
        "anomalies_p_value_check on anomalies",
    ),
    "CHECK not validated": (
        "ALTER TABLE detection_config DROP CONSTRAINT detection_config_hop_size_check; "
        "ALTER TABLE detection_config "
        "ADD CONSTRAINT detection_config_hop_size_check CHECK (hop_size > 0) NOT VALID",
        "constraint",
        "detection_config_hop_size_check on detection_config",
    ),
    "foreign key dropped": (
        "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE auth_permission DROP CONSTRAINT %I', conname) "
        "FROM pg_constraint WHERE conrelid = 'auth_permission'::regclass AND contype = 'f'); END $$",
        "constraint",
        "auth_permission_content_type_id",
    ),
    "primary key dropped": (
        "ALTER TABLE audit_log DROP CONSTRAINT audit_log_pkey",
        "constraint",
        "audit_log_pkey on audit_log",
    ),
    "unique index dropped": (
        "DROP INDEX idx_detection_config_active",
        "index",
        "idx_detection_config_active on detection_config",
    ),
    "index dropped": ("DROP INDEX idx_anomalies_status", "index", "idx_anomalies_status on anomalies"),
    "index of another column": (
        "DROP INDEX idx_anomalies_status; CREATE INDEX idx_anomalies_status ON anomalies (novelty)",
        "index",
        "idx_anomalies_status on anomalies",
    ),
    "index of another method": (
        "DROP INDEX idx_anomalies_metadata; "
        "CREATE INDEX idx_anomalies_metadata ON anomalies USING gin (metadata jsonb_path_ops)",
        "index",
        "idx_anomalies_metadata on anomalies",
    ),
    "index not partial": (
        "DROP INDEX idx_anomalies_significant; "
        "CREATE INDEX idx_anomalies_significant ON anomalies (is_statistically_significant)",
        "index",
        "idx_anomalies_significant on anomalies",
    ),
    "index invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_anomalies_tags'::regclass",
        "index",
        "idx_anomalies_tags on anomalies",
    ),
    "index added": ("CREATE INDEX extra ON anomalies (novelty)", "index", "extra on anomalies"),
    "trigger dropped": (
        "DROP TRIGGER audit_anomalies_update ON anomalies",
        "trigger",
        "audit_anomalies_update on anomalies",
    ),
    "trigger disabled": (
        "ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_delete",
        "trigger",
        "audit_anomalies_delete on anomalies",
    ),
    "trigger not always": (
        "ALTER TABLE audit_log ENABLE TRIGGER audit_log_append_only",
        "trigger",
        "audit_log_append_only on audit_log",
    ),
    "trigger for replicas": (
        "ALTER TABLE anomalies ENABLE REPLICA TRIGGER audit_anomalies_insert",
        "trigger",
        "audit_anomalies_insert on anomalies",
    ),
    "trigger added": (
        "CREATE TRIGGER extra BEFORE UPDATE ON anomalies FOR EACH ROW EXECUTE FUNCTION next_version()",
        "trigger",
        "extra on anomalies",
    ),
    "all triggers disabled": (
        "ALTER TABLE auth_permission DISABLE TRIGGER ALL",
        "foreign key trigger",
        "auth_permission",
    ),
    "function replaced": (
        "CREATE OR REPLACE FUNCTION next_version() " + OTHER_FUNCTION.format(""),
        "function",
        "next_version()",
    ),
    "function no definer": (
        "ALTER FUNCTION audit_append_only() SECURITY INVOKER",
        "function",
        "audit_append_only()",
    ),
    "function's path": (
        "ALTER FUNCTION audit_append_only() RESET search_path",
        "function",
        "audit_append_only()",
    ),
    "function added": ("CREATE FUNCTION extra() " + OTHER_FUNCTION.format(""), "function", "extra()"),
    "function dropped": ("DROP FUNCTION audit_event(text, text, uuid, jsonb)", "function", "audit_event("),
    "function overloaded": (
        "CREATE FUNCTION next_version(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "function",
        "next_version(integer)",
    ),
    "view dropped": ("DROP VIEW anomaly_stats_by_stream", "view", "anomaly_stats_by_stream"),
    "view changed": ("DROP VIEW anomaly_stats_by_stream; " + VIEW, "view", "anomaly_stats_by_stream"),
    "view's columns in another order": (
        "DROP VIEW recent_significant_anomalies; CREATE VIEW recent_significant_anomalies AS "
        "SELECT timestamp, id, stream_type, ncd_score, p_value, status, glass_box_explanation, "
        "compression_ratio_change, tags, created_at FROM anomalies "
        "WHERE is_statistically_significant AND p_value < 0.05 ORDER BY timestamp DESC LIMIT 100",
        "view",
        "recent_significant_anomalies",
    ),
    "everybody may write new tables": (
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO PUBLIC",
        "privilege",
        "PUBLIC on every new table of the owner",
    ),
    "table added": ("CREATE TABLE extra (id integer)", "table", "extra"),
    "table dropped": ("DROP TABLE django_admin_log", "table", "django_admin_log"),
    "table unlogged": ("ALTER TABLE performance_metrics SET UNLOGGED", "table", "performance_metrics"),
    "table's options": ("ALTER TABLE anomalies SET (autovacuum_enabled = off)", "table", "anomalies"),
    "row level security": ("ALTER TABLE anomalies ENABLE ROW LEVEL SECURITY", "table", "anomalies"),
    "policy added": ("CREATE POLICY extra ON anomalies USING (true)", "policy", "extra on anomalies"),
    "rule added": (
        "CREATE RULE extra AS ON DELETE TO audit_log DO INSTEAD NOTHING",
        "rule",
        "extra on audit_log",
    ),
    "sequence changed": ("ALTER SEQUENCE audit_log_id_seq INCREMENT 2", "sequence", "audit_log_id_seq"),
    "public may write": ("GRANT INSERT ON audit_log TO PUBLIC", "privilege", "PUBLIC on table audit_log"),
    "public may call": (
        "GRANT EXECUTE ON FUNCTION audit_append_only() TO PUBLIC",
        "privilege",
        "PUBLIC on function audit_append_only()",
    ),
    "public may create": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "privilege", "PUBLIC on schema public"),
    "one column granted": (
        "GRANT UPDATE (id) ON anomalies TO pg_monitor",
        "privilege",
        "pg_monitor on column anomalies.id",
    ),
    "owner changed": ("ALTER TABLE audit_log OWNER TO pg_monitor", "table", "audit_log"),
    "function's owner changed": (
        "ALTER FUNCTION audit_append_only() OWNER TO pg_monitor",
        "function",
        "audit_append_only()",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("drifted", DRIFTS)
def test_a_drift_is_named(drifted, expected):
    statement, kind, name = DRIFTS[drifted]
    run(statement)
    found = drift.compare(expected, catalog.read(connection))
    assert any(each.kind == kind and each.name.startswith(name) for each in found), found


# What only a person can mend: whose it is to be, and whether values that no migration knows are needed.
NO_STATEMENT = {
    "column added",
    "column renamed",
    "owner changed",
    "function's owner changed",
    "table dropped",
    "everybody may write new tables",
}


@pytest.mark.django_db
@pytest.mark.parametrize("drifted", sorted(set(DRIFTS) - NO_STATEMENT))
def test_what_is_said_to_be_done_mends_it(drifted, expected):
    run(DRIFTS[drifted][0])
    live = catalog.read(connection)
    for difference in drift.compare(expected, live):
        run(advice(difference, expected, live).replace("CONCURRENTLY ", ""))
    assert drift.compare(expected, catalog.read(connection)) == []


EXTRA_TABLES = {
    "with rows": ("CREATE TABLE own AS SELECT 1 AS id", False),
    "without rows": ("CREATE TABLE own (id integer)", True),
    "partitioned": (
        "CREATE TABLE own (id integer) PARTITION BY RANGE (id); "
        "CREATE TABLE own_1 PARTITION OF own FOR VALUES FROM (1) TO (9); INSERT INTO own VALUES (1)",
        False,
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("extra", EXTRA_TABLES)
def test_no_table_with_rows_is_advised_to_be_dropped(extra, expected):
    statement, may_go = EXTRA_TABLES[extra]
    run(statement)
    live = catalog.read(connection)
    found = drift.compare(expected, live)
    shown = [advice(each, expected, live, filled_tables(found)) for each in found]
    assert any("DROP TABLE" in each for each in shown) == may_go


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES)
def test_no_table_of_the_contract_is_advised_to_be_dropped_though_it_is_empty(table):
    found = drift.compare({}, catalog.read(connection))
    (extra,) = [each for each in found if (each.kind, each.name) == ("table", table)]
    assert advice(extra, {}, {}, filled_tables(found)).startswith("-- ")


@pytest.mark.django_db
def test_no_column_of_values_is_advised_to_be_dropped(expected):
    run("ALTER TABLE anomalies ADD COLUMN own text DEFAULT 'kept'")
    live = catalog.read(connection)
    (found,) = drift.compare(expected, live)
    assert advice(found, expected, live).startswith("-- ")


@pytest.mark.django_db
def test_djangos_own_checks_see_none_of_them():
    seen = []
    for name, (statement, _, _) in DRIFTS.items():
        if name == "table dropped":  # a reversal of it takes longer than the others
            continue
        with transaction.atomic():
            run(statement)
            try:
                call_command("makemigrations", check=True, dry_run=True, verbosity=0)
                call_command("migrate", check_unapplied=True, verbosity=0)
            except SystemExit:
                seen.append(name)
            transaction.set_rollback(True)
    assert seen == []


@pytest.mark.django_db
def test_what_the_migrations_made_has_no_drift(expected):
    assert drift.compare(expected, catalog.read(connection)) == []


@pytest.mark.django_db
def test_parts_of_what_is_gone_as_a_whole_are_not_listed_again(expected):
    run("DROP TABLE django_session")
    found = drift.compare(expected, catalog.read(connection))
    assert [(d.what, d.kind, d.name) for d in found] == [("missing", "table", "django_session")]


@pytest.mark.django_db
def test_the_roles_that_roles_makes_are_no_drift(expected):
    names = Names("test_migrator", "test_app", "test_sealer")
    make_roles(names)
    found = drift.compare(expected, catalog.read(connection, ("test_migrator", "test_app", "test_sealer")))
    assert found == []


@pytest.mark.django_db
def test_a_not_null_that_is_not_proven_is_named(expected):
    if connection.pg_version < 180000:
        pytest.skip("from PostgreSQL 18 on NOT NULL can be declared without a look at the rows")
    run("ALTER TABLE anomalies ALTER p_value DROP NOT NULL")
    run("ALTER TABLE anomalies ADD CONSTRAINT there NOT NULL p_value NOT VALID")
    (found,) = drift.compare(expected, catalog.read(connection))
    assert (found.name, found.found) == ("anomalies.p_value", "double precision NOT NULL (not validated)")


@pytest.mark.django_db
def test_an_extensions_objects_are_no_drift(expected):
    if not run("SELECT 1 FROM pg_available_extensions WHERE name = 'uuid-ossp'"):
        pytest.skip("this server has no extension uuid-ossp")
    run('CREATE EXTENSION "uuid-ossp"')
    assert drift.compare(expected, catalog.read(connection)) == []


# --- the command ------------------------------------------------------------------------------------------

on_the_server = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def schema(*arguments: str) -> tuple[int, str, str]:
    """``manage.py schema`` as a process: its exit status, what it printed, what it said."""
    process = manage("schema", *arguments)
    printed, said = process.communicate(timeout=600)
    return process.returncode, printed.decode(), said.decode()


@on_the_server
def test_check_says_nothing_of_a_sound_schema_and_ends_with_0():
    assert schema("check") == (0, "", "0 differences from the migrations\n")


@on_the_server
def test_check_names_what_differs_and_ends_with_1():
    run("ALTER INDEX idx_anomalies_status RENAME TO another")
    try:
        code, printed, _ = schema("check")
        shown = json.loads(schema("check", "--json")[1])
    finally:
        run("ALTER INDEX another RENAME TO idx_anomalies_status")
    assert code == 1 and "missing: index idx_anomalies_status on anomalies" in printed
    names = {("extra", "another on anomalies"), ("missing", "idx_anomalies_status on anomalies")}
    assert {(each["what"], each["name"]) for each in shown} == names


@on_the_server
def test_no_scratch_database_is_left_behind():
    schema("check")
    assert run("SELECT datname FROM pg_database WHERE datname LIKE 'driftlock_scratch%'") == []


def test_a_schema_that_is_behind_is_compared_with_its_own_state(expected, django_db_blocker):
    with django_db_blocker.unblock(), scratch_database() as scratch:
        migrate_to(scratch, [("anomalies", "0007_list_indexes")])
        targets = applied_targets(scratch)
        behind = drift.expected_catalog(targets)
        assert ("anomalies", "0007_list_indexes") in targets
        assert drift.compare(behind, catalog.read(scratch)) == [] != drift.compare(behind, expected)


# --- version, down, force ---------------------------------------------------------------------------------


def said(capsys, *arguments: str) -> str:
    call_command("schema", *arguments)
    return capsys.readouterr().out


@pytest.mark.django_db
def test_version_is_the_last_applied_migration(capsys):
    assert said(capsys, "version").splitlines()[0] == migration_state.migration_names()[-1]


@pytest.mark.django_db
def test_version_tells_of_an_index_whose_build_did_not_end(capsys):
    run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_anomalies_tags'::regclass")
    assert "dirty: an index" in said(capsys, "version")
    assert json.loads(said(capsys, "version", "--json"))["dirty"] is True


@pytest.mark.django_db
def test_version_tells_golangs_too(capsys):
    run("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)")
    run("INSERT INTO schema_migrations VALUES (1, true)")
    assert "golang-migrate: 1 (dirty)" in said(capsys, "version")


@on_the_server
def test_down_says_what_would_be_lost_and_does_nothing():
    make_anomaly(novelty=0.5), make_anomaly()
    code, printed, shown = schema("down", str(len(migration_state.migration_names()) - 4))
    assert "lost: column anomalies.novelty, 1 values" in printed
    assert "lost: column anomalies.version, 2 values" in printed
    assert (code, migration_state.state().version) == (
        0,
        migration_state.migration_names()[-1],
    ) and "--yes reverts them" in shown


@pytest.mark.django_db
@pytest.mark.parametrize("steps", ["0", "-1", "999"])
def test_down_by_what_is_no_number_of_migrations_is_refused(steps):
    with pytest.raises(CommandError, match="go down by 1 to"):
        call_command("schema", "down", "--", steps)


@on_the_server
def test_force_refuses_what_the_catalog_does_not_show():
    code, _, shown = schema("force", "0009")
    assert code == 1 and "is not what 0009_roles makes" in shown
    assert migration_state.state().version == migration_state.migration_names()[-1]


@on_the_server
def test_force_writes_down_what_is_so():
    last = migration_state.migration_names()[-1]
    migration_state.force("0009_roles")
    assert schema("force", last)[:2] == (0, f"recorded: {last}\n")
    assert migration_state.state().version == last


@pytest.mark.django_db
def test_force_of_a_name_that_is_none_lists_those_there_are():
    with pytest.raises(CommandError, match="names 0 migrations; there are 0001"):
        call_command("schema", "force", "no_such")
