"""The live catalog against docs/schema.md, which other programs write to and read from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import DataError, IntegrityError, connection
from django.db.migrations import RunSQL
from django.db.migrations.loader import MigrationLoader

from tests.support.factories import NOON, make_anomaly

PAGE = (Path(__file__).parents[2] / "docs" / "schema.md").read_text()
COLUMN_COUNTS = {"anomalies": 28, "detection_config": 12, "performance_metrics": 8, "audit_log": 10}
NAMES_OF_TYPES = {
    "timestamptz": "timestamp with time zone",
    "serial (integer)": "integer",
    "bigserial": "bigint",
}

INDEXES = {
    "idx_anomalies_timestamp": '("timestamp" DESC)',
    "idx_anomalies_status": "(status)",
    "idx_anomalies_stream_type": "(stream_type)",
    "idx_anomalies_p_value": "(p_value)",
    "idx_anomalies_ncd_score": "(ncd_score)",
    "idx_anomalies_significant": "(is_statistically_significant) WHERE is_statistically_significant",
    "idx_anomalies_created_at": "(created_at DESC)",
    "idx_anomalies_tags": "gin (tags)",
    "idx_anomalies_metadata": "gin (metadata)",
    "idx_detection_config_active": "UNIQUE (is_active) WHERE is_active",
    "idx_performance_metrics_timestamp": '("timestamp" DESC)',
    "idx_performance_metrics_endpoint": "(endpoint)",
    "idx_performance_metrics_metric_type": "(metric_type)",
    "idx_audit_log_timestamp": '("timestamp" DESC)',
    "idx_audit_log_username": "(username)",
    "idx_audit_log_resource": "(resource_type, resource_id)",
    "idx_audit_log_action": "(action)",
}
OUR_INDEXES = {
    "idx_anomalies_walk_time": '("timestamp" DESC NULLS LAST, id DESC NULLS LAST) INCLUDE '
    "(status, stream_type, is_statistically_significant)",
    "idx_anomalies_walk_status": '(status COLLATE "C" NULLS FIRST, stream_type COLLATE "C" NULLS FIRST, '
    'is_statistically_significant NULLS FIRST, "timestamp" NULLS FIRST, id NULLS FIRST)',
    "idx_anomalies_walk_stream": '(stream_type COLLATE "C" NULLS FIRST, "timestamp" NULLS FIRST, '
    "id NULLS FIRST)",
    "idx_anomalies_walk_ncd": "(ncd_score DESC NULLS LAST, id DESC NULLS LAST) INCLUDE "
    "(status, stream_type, is_statistically_significant)",
    "idx_anomalies_walk_p": "(p_value NULLS FIRST, id NULLS FIRST) INCLUDE "
    "(status, stream_type, is_statistically_significant)",
    "idx_anomalies_walk_pattern": '(pattern NULLS FIRST, status COLLATE "POSIX" NULLS FIRST, '
    '"timestamp" NULLS FIRST, id NULLS FIRST)',
    "idx_anomalies_walk_source": '(source COLLATE "POSIX" NULLS FIRST, status COLLATE "POSIX" NULLS FIRST, '
    '"timestamp" NULLS FIRST, id NULLS FIRST)',
    "idx_anomalies_assigned": '(assigned_to, status, "timestamp" DESC, id DESC)'
    " WHERE (assigned_to IS NOT NULL)",
    "idx_anomalies_snoozed": "(stream_type, snoozed_at) WHERE (snoozed_at IS NOT NULL)",
}

# What a writer that knows only the contract must give: the columns that are NOT NULL without a default.
LEAST = {
    "anomalies": {
        "timestamp": NOON,
        "stream_type": "logs",
        "ncd_score": 0.7,
        "p_value": 0.01,
        "glass_box_explanation": "deadlock detected",
        "compression_baseline": 0.2,
        "compression_window": 0.5,
        "compression_combined": 0.3,
        "confidence_level": 0.99,
    },
    "detection_config": {},
    "performance_metrics": {"metric_type": "request", "duration_ms": 12},
    "audit_log": {"username": "ana", "action": "login", "resource_type": "session"},
}

FRACTIONS = [
    *(("anomalies", column) for column in ("ncd_score", "p_value", "confidence_level")),
    *(("detection_config", column) for column in ("ncd_threshold", "p_value_threshold")),
]
SIZES = ["baseline_size", "window_size", "hop_size"]
CHOICES = {
    "stream_type": ["logs", "metrics", "traces", "llm"],
    "status": ["pending", "acknowledged", "dismissed", "investigating"],
    "dismissal_reason": ["false_positive", "known_harmless", "duplicate", "other"],
}
VIEWS = {
    "recent_significant_anomalies": "id, timestamp, stream_type, ncd_score, p_value, status, "
    "glass_box_explanation, compression_ratio_change, tags, created_at",
    "anomaly_stats_by_stream": "stream_type, total_anomalies, significant_anomalies, avg_ncd_score, "
    "avg_p_value, pending_count, acknowledged_count, dismissed_count",
}


class Column(NamedTuple):
    name: str
    type: str
    nullable: bool
    default: str


def promised(table: str) -> list[Column]:
    """The columns that the page's section about a table lists."""
    section = PAGE.split(f"\n## {table}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in section.splitlines() if "|" in line]
    return [
        Column(name, spelt_out(row[1]), row[2] == "yes", row[3])
        for row in rows
        if row[2] in ("yes", "no")
        for name in row[0].split(", ")
    ]


def spelt_out(type_name: str) -> str:
    return NAMES_OF_TYPES.get(type_name, type_name.replace("varchar", "character varying"))


def live(table: str) -> list[Column]:
    """The columns that a table has; a default without the type that PostgreSQL casts it to."""
    found = rows(
        """
        SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull,
               coalesce(pg_get_expr(adbin, adrelid), '')
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        table,
    )
    return [Column(*first, re.sub(r"(?<=')::[\w\[\] ]+$", "", default)) for *first, default in found]


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def scalar(query: str, *values: Any) -> Any:
    return rows(query, *values)[0][0]


def insert(table: str, **over: Any) -> Any:
    """Write a row as a program that is not ours would; its id."""
    values = {**LEAST[table], **over}
    if not values:
        return scalar(f"INSERT INTO {table} DEFAULT VALUES RETURNING id")
    marks = ", ".join(["%s"] * len(values))
    return scalar(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) RETURNING id", *values.values()
    )


def definition(index: str) -> str:
    text = scalar("SELECT indexdef FROM pg_indexes WHERE indexname = %s", index)
    unique = "UNIQUE " if text.startswith("CREATE UNIQUE") else ""
    return unique + text.split(" USING ")[1].removeprefix("btree ")


# --- columns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "count"), COLUMN_COUNTS.items())
def test_the_page_lists_every_column_of_the_contract(table, count):
    assert len(promised(table)) == count


@pytest.mark.django_db
@pytest.mark.parametrize("table", COLUMN_COUNTS)
def test_a_table_begins_with_the_contracts_columns_in_their_order(table):
    names = [column.name for column in promised(table)]
    assert [column.name for column in live(table)][: len(names)] == names


@pytest.mark.django_db
@pytest.mark.parametrize("table", COLUMN_COUNTS)
def test_a_column_has_the_type_and_the_nullability_that_the_page_says(table):
    for said, found in zip(promised(table), live(table), strict=False):
        assert (found.type, found.nullable) == (said.type, said.nullable), said.name


@pytest.mark.django_db
@pytest.mark.parametrize("table", COLUMN_COUNTS)
def test_a_column_has_the_default_that_the_page_says(table):
    for said, found in zip(promised(table), live(table), strict=False):
        serial = said.name == "id" and said.type != "uuid"
        assert found.default == (f"nextval('{table}_id_seq'::regclass)" if serial else said.default), (
            said.name
        )


@pytest.mark.django_db
@pytest.mark.parametrize("table", COLUMN_COUNTS)
def test_a_column_that_we_add_is_nullable_or_has_a_default(table):
    added = live(table)[COLUMN_COUNTS[table] :]
    assert [column.name for column in added if not column.nullable and not column.default] == []


@pytest.mark.django_db
@pytest.mark.parametrize("table", COLUMN_COUNTS)
def test_the_id_is_the_primary_key_and_only_unique_rule_of_all_rows(table):
    unique = rows(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype IN ('p', 'u')",
        table,
    )
    assert unique == [("PRIMARY KEY (id)",)]


@pytest.mark.django_db
@pytest.mark.parametrize("table", LEAST)
def test_what_a_writer_must_give_is_what_the_page_leaves_without_a_default(table):
    needed = [c.name for c in promised(table) if not c.nullable and not c.default and c.name != "id"]
    assert list(LEAST[table]) == needed


@pytest.mark.django_db
@pytest.mark.parametrize("table", LEAST)
def test_an_insert_that_knows_only_the_contract_works(table):
    assert insert(table) is not None


@pytest.mark.django_db
def test_an_anomaly_without_a_word_about_its_status_is_pending():
    pk = insert("anomalies")
    assert rows("SELECT status, tags, is_statistically_significant FROM anomalies WHERE id = %s", pk) == [
        ("pending", [], False)
    ]


@pytest.mark.django_db
def test_no_extension_is_needed():
    assert rows("SELECT extname FROM pg_extension") == [("plpgsql",)]


# --- indexes ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "on"), (INDEXES | OUR_INDEXES).items())
def test_an_index_is_defined_as_the_page_says(name, on):
    assert definition(name) == on


@pytest.mark.parametrize("name", INDEXES | OUR_INDEXES)
def test_an_index_is_named_on_the_page(name):
    assert name in PAGE


@pytest.mark.django_db
def test_no_index_goes_unmentioned():
    tables = list(COLUMN_COUNTS)
    found = rows("SELECT indexname FROM pg_indexes WHERE tablename = ANY(%s)", tables)
    keys = {f"{table}_pkey" for table in tables}
    ours = {*OUR_INDEXES, "idx_anomalies_words", "idx_anomalies_decided", "idx_audit_log_batch"}
    ours |= {"idx_anomalies_pattern_decided"}
    assert {name for (name,) in found} == {*INDEXES, *ours, *keys}


@pytest.mark.django_db
def test_the_search_index_reads_a_bounded_part_of_explanation_and_notes():
    text = definition("idx_anomalies_words")
    assert text.startswith("gin (COALESCE(search_document, to_tsvector('simple'::regconfig")
    assert 'left"(glass_box_explanation, 100000)' in text
    assert 'left"(notes, 100000)' in text


@pytest.mark.django_db
def test_the_index_of_decisions_holds_those_that_were_decided():
    assert "coalesce(acknowledged_at, dismissed_at) desc" in definition("idx_anomalies_decided").lower()


# --- rules that the database keeps ----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("table", "column"), FRACTIONS)
@pytest.mark.parametrize("value", [-0.000001, 1.000001, "NaN", "Infinity", "-Infinity"])
def test_what_is_not_from_0_to_1_is_refused(table, column, value):
    with pytest.raises(IntegrityError, match=f"{table}_{column}_check"):
        insert(table, **{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize(("table", "column"), FRACTIONS)
@pytest.mark.parametrize("value", [0, 1])
def test_0_and_1_themselves_are_allowed(table, column, value):
    assert insert(table, **{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize("column", SIZES)
@pytest.mark.parametrize("value", [0, -1])
def test_a_size_that_is_not_positive_is_refused(column, value):
    with pytest.raises(IntegrityError, match=f"detection_config_{column}_check"):
        insert("detection_config", **{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize("column", SIZES)
def test_a_size_of_1_is_allowed(column):
    assert insert("detection_config", **{column: 1})


@pytest.mark.django_db
@pytest.mark.parametrize(("column", "value"), [(c, v) for c, values in CHOICES.items() for v in values])
def test_each_named_value_is_allowed(column, value):
    assert insert("anomalies", **{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize("column", CHOICES)
@pytest.mark.parametrize("value", ["nonsense", "", "LOGS", " pending"])
def test_a_value_that_is_not_named_is_refused(column, value):
    with pytest.raises(IntegrityError, match=f"anomalies_{column}_check"):
        insert("anomalies", **{column: value})


@pytest.mark.django_db
@pytest.mark.parametrize("table, column", [(t, c) for t, given in LEAST.items() for c in given])
def test_a_null_where_the_page_allows_none_is_refused(table, column):
    with pytest.raises(IntegrityError, match="null value"):
        insert(table, **{column: None})


@pytest.mark.django_db
def test_an_id_that_is_taken_is_refused():
    pk = insert("anomalies")
    with pytest.raises(IntegrityError, match="anomalies_pkey"):
        insert("anomalies", id=pk)


@pytest.mark.django_db
def test_a_username_of_256_characters_is_refused():
    with pytest.raises(DataError, match="255"):
        insert("audit_log", username="a" * 256)


@pytest.mark.django_db
def test_a_fresh_database_holds_one_active_config_with_the_defaults():
    numbers = "ncd_threshold, p_value_threshold, baseline_size, window_size, hop_size, stream_overrides"
    found = rows(f"SELECT {numbers}::text, created_by, is_active FROM detection_config")
    assert found == [(0.5, 0.05, 100, 10, 1, "{}", "system", True)]


@pytest.mark.django_db
def test_a_second_active_config_is_refused():
    with pytest.raises(IntegrityError, match="idx_detection_config_active"):
        insert("detection_config", is_active=True)


@pytest.mark.django_db
def test_inactive_configs_may_be_many():
    assert insert("detection_config") != insert("detection_config")


# --- triggers -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_triggers_have_the_names_that_older_databases_know():
    found = rows(
        "SELECT tgname, tgrelid::regclass::text, tgfoid::regproc::text FROM pg_trigger"
        " WHERE tgname LIKE 'update%%'"
    )
    assert set(found) == {
        (f"update_{table}_updated_at", table, "update_updated_at_column")
        for table in ("anomalies", "detection_config")
    }


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["anomalies", "detection_config"])
def test_updated_at_moves_with_an_update_by_raw_sql(table):
    pk = insert(table, updated_at=NOON)
    moved = scalar(f"UPDATE {table} SET notes = 'seen' WHERE id = %s RETURNING updated_at = now()", pk)
    assert moved


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["anomalies", "detection_config"])
def test_updated_at_cannot_be_set_by_hand(table):
    pk = insert(table)
    kept = scalar(f"UPDATE {table} SET updated_at = %s WHERE id = %s RETURNING updated_at = now()", NOON, pk)
    assert kept


# --- views ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_begins_with_the_contracts_columns_in_their_order(view):
    assert ", ".join(column.name for column in live(view)).startswith(VIEWS[view])


@pytest.mark.django_db
def test_only_the_statistics_have_a_column_appended():
    added = {view: [c.name for c in live(view) if c.name not in VIEWS[view].split(", ")] for view in VIEWS}
    assert added == {"recent_significant_anomalies": [], "anomaly_stats_by_stream": ["investigating_count"]}


@pytest.mark.parametrize("names", VIEWS.values(), ids=list(VIEWS))
def test_the_page_names_a_views_columns_in_their_order(names):
    assert names in " ".join(PAGE.split())


@pytest.mark.django_db
def test_the_recent_ones_are_significant_and_their_p_is_below_5_percent():
    shown = make_anomaly(p_value=0.0499)
    make_anomaly(p_value=0.05)
    make_anomaly(p_value=0.01, is_statistically_significant=False)
    assert rows("SELECT id FROM recent_significant_anomalies") == [(shown.pk,)]


@pytest.mark.django_db
def test_the_recent_ones_are_the_100_newest_newest_first():
    connection.cursor().execute(
        """
        INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
            compression_baseline, compression_window, compression_combined, confidence_level,
            is_statistically_significant)
        SELECT timestamptz '2026-11-23' + n * interval '1 minute', 'logs', 0.7, 0.01, n, 0, 0, 0, 0.99, true
        FROM generate_series(1, 101) AS n ORDER BY md5(n::text)
        """
    )
    found = [int(text) for (text,) in rows("SELECT glass_box_explanation FROM recent_significant_anomalies")]
    assert found == list(range(101, 1, -1))


@pytest.mark.django_db
def test_the_statistics_count_each_stream_by_itself():
    make_anomaly(ncd_score=0.6, p_value=0.01)
    make_anomaly(ncd_score=0.8, p_value=0.03, status="acknowledged", is_statistically_significant=False)
    make_anomaly(stream_type="llm", ncd_score=0.5, p_value=0.02, status="investigating")
    averages = "round(avg_ncd_score::numeric, 6)::float8, round(avg_p_value::numeric, 6)::float8"
    counts = "pending_count, acknowledged_count, dismissed_count, investigating_count"
    found = rows(
        f"SELECT stream_type, total_anomalies, significant_anomalies, {averages}, {counts}"
        " FROM anomaly_stats_by_stream ORDER BY stream_type"
    )
    assert found == [("llm", 1, 1, 0.5, 0.02, 0, 0, 0, 1), ("logs", 2, 1, 0.7, 0.02, 1, 1, 0, 0)]


@pytest.mark.django_db
def test_a_stream_without_anomalies_has_no_statistics():
    assert rows("SELECT * FROM anomaly_stats_by_stream") == []


# --- migrations -----------------------------------------------------------------------------------------


def our_operations() -> list[Any]:
    found = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [
        pytest.param(operation, id=f"{name}-{number}")
        for (app, name), migration in sorted(found.items())
        if app == "anomalies"
        for number, operation in enumerate(migration.operations)
    ]


@pytest.fixture
def scratch_database(django_db_setup, django_db_blocker) -> Iterator[None]:
    """An empty database in place of the tests' own, on the same server, which other workers may use too."""
    usual = connection.settings_dict["NAME"]
    name = f"{usual}_scratch"
    with django_db_blocker.unblock():
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        connection.settings_dict["NAME"] = name
        yield
        connection.close()
        connection.settings_dict["NAME"] = usual
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


def migrate(*where: str) -> None:
    call_command("migrate", *where, verbosity=0, interactive=False)


def catalog() -> dict[str, list[tuple[Any, ...]]]:
    """Everything of ours that the catalog holds, by kind; those of Django, axes and allauth left out."""
    relations = [
        name
        for (name,) in rows(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'v')"
            " AND relname !~ '^(auth|axes|django|account|socialaccount|mfa)_' ORDER BY 1"
        )
    ]
    return {
        "columns": [(relation, *column) for relation in relations for column in live(relation)],
        "indexes": rows("SELECT indexdef FROM pg_indexes WHERE tablename = ANY(%s) ORDER BY 1", relations),
        "constraints": rows(
            "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
            " WHERE conrelid = ANY(%s::regclass[]) ORDER BY 1, 2",
            relations,
        ),
        "triggers": rows(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid = ANY(%s::regclass[]) ORDER BY 1",
            relations,
        ),
        "views": rows("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"),
        "functions": rows(
            "SELECT pg_get_functiondef(oid) FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        ),
    }


@pytest.mark.slow
def test_back_to_zero_leaves_nothing_and_forth_again_makes_the_same(scratch_database):
    migrate()
    first = catalog()
    migrate("anomalies", "zero")
    assert not any(catalog().values())
    migrate()
    assert catalog() == first
    assert all(first.values())


@pytest.mark.slow
def test_a_database_that_has_a_config_keeps_it_as_its_only_one(scratch_database):
    migrate("anomalies", "0003")
    insert("detection_config", ncd_threshold=0.4, is_active=True)
    migrate()
    assert rows("SELECT ncd_threshold, is_active FROM detection_config") == [(0.4, True)]


@pytest.mark.django_db
def test_the_models_need_no_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("operation", our_operations())
def test_a_migration_can_be_undone(operation):
    assert operation.reversible


@pytest.mark.parametrize("operation", [p for p in our_operations() if isinstance(p.values[0], RunSQL)])
def test_sql_in_a_migration_is_a_list_of_statements(operation):
    assert isinstance(operation.sql, list)
    assert isinstance(operation.reverse_sql, list) or operation.reverse_sql == RunSQL.noop


# --- comments -------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "relation",
    [
        "anomalies",
        "detection_config",
        "performance_metrics",
        "audit_log",
        "recent_significant_anomalies",
        "anomaly_stats_by_stream",
    ],
)
def test_each_table_view_and_column_of_the_contract_has_a_comment(relation):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(attname, 'itself') FROM pg_class LEFT JOIN pg_attribute"
            " ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped"
            " WHERE pg_class.oid = %s::regclass AND (col_description(pg_class.oid, attnum) IS NULL"
            " OR obj_description(pg_class.oid, 'pg_class') IS NULL)",
            [relation],
        )
        assert cursor.fetchall() == []
