"""Logical replication: what an apply worker changes is recorded and counted as anything else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from anomalies.schema.scratch_database import applied_targets, migrate_to
from tests.support.databases import run
from tests.support.factories import anomaly_values, make_anomaly
from tests.support.processes import wait_until
from tests.support.servers import Server, database

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROW = "glass_box_explanation = 'row {}'"
INSERT = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation, status, tags,
        compression_baseline, compression_window, compression_combined, confidence_level, window_data)
    SELECT now() - n * interval '1 hour', 'logs', 0.7, 0.01, 'row ' || n, status, ARRAY['db'],
        1, 1, 1, 1, '[1]'
    FROM generate_series(1, {0}) AS n, (VALUES {1}) AS statuses (status)
"""


class Copies:
    """Two copies of one migrated database; what is written to the first is applied to the second."""

    def __init__(self, server: Server, first: str, second: str) -> None:
        where = {"host": str(server.folder), "user": "driftlock", "autocommit": True}
        self.first, self.second = (
            psycopg.connect(dbname=first, **where),
            psycopg.connect(dbname=second, **where),
        )
        self.first.execute("CREATE PUBLICATION copied FOR TABLE anomalies")
        # On one server a subscription can't make its slot itself: it would wait for its own transaction.
        self.first.execute("SELECT pg_create_logical_replication_slot('copied', 'pgoutput')")
        self.second.execute(
            f"CREATE SUBSCRIPTION copied CONNECTION 'host={server.folder} user=driftlock dbname={first}' "
            "PUBLICATION copied WITH (create_slot = false, slot_name = 'copied', copy_data = false)"
        )

    def end(self) -> None:
        """Drop the subscription and its slot."""
        self.second.execute("DROP SUBSCRIPTION copied")
        self.first.close()
        self.second.close()

    def applied(self, statement: str) -> list[tuple]:
        """The entries about anomalies that the second gains by what is done at the first."""
        last = "SELECT coalesce(max(id), 0) FROM audit_log"
        ((before,),) = self.second.execute(last).fetchall()
        self.first.execute(statement)
        wait_until(self._is_alike)
        return self.second.execute(
            "SELECT action, old_values ->> 'status', new_values ->> 'status', metadata ->> 'rows' "
            "FROM audit_log WHERE id > %s AND resource_type = 'anomaly' ORDER BY id",
            [before],
        ).fetchall()

    def _is_alike(self) -> bool:
        rows = "SELECT md5(string_agg(to_jsonb(anomalies)::text, ',' ORDER BY id)) FROM anomalies"
        return self.first.execute(rows).fetchone() == self.second.execute(rows).fetchone()

    def missing_in_roll_ups(self) -> list[tuple]:
        """The differences between the second database's roll-ups and its table."""
        views = [f"anomaly_{each}_missing" for each in ("hours", "tags", "patterns")]
        return [row for view in views for row in self.second.execute(f"TABLE {view}").fetchall()]


@pytest.fixture(scope="module")
def copies(django_db_setup, django_db_blocker) -> Iterator[Copies]:
    with django_db_blocker.unblock(), Server(wal_level="logical") as server, database("first", server) as one:
        migrate_to(one, applied_targets(connection))
        with one.cursor() as cursor:
            cursor.execute(INSERT.format(20, "('pending')"))
        name = one.settings_dict["NAME"]
        one.close()
        with database("second", server, template=name) as other:
            made = Copies(server, name, other.settings_dict["NAME"])
            try:
                yield made
            finally:
                made.end()


def test_an_update_that_replication_applies_is_recorded_row_by_row(copies):
    found = copies.applied("UPDATE anomalies SET status = 'dismissed', dismissed_by = 'lea'")
    assert found == [("dismiss", "pending", "dismissed", None)] * 20
    assert copies.missing_in_roll_ups() == []


def test_an_insert_that_replication_applies_is_recorded_with_its_decision(copies):
    found = copies.applied(INSERT.format(1, "('pending'), ('acknowledged')"))
    assert sorted(found, key=str) == [("create", None, "acknowledged", "1"), ("create", None, None, "1")]
    assert copies.missing_in_roll_ups() == []


def test_a_change_of_the_evidence_is_recorded_once(copies):
    found = copies.applied(f"UPDATE anomalies SET window_data = '[2]' WHERE {ROW.format(2)}")
    assert [action for action, *_ in found] == ["update"]


def test_a_change_of_an_id_is_recorded_once(copies):
    found = copies.applied(f"UPDATE anomalies SET id = gen_random_uuid(), notes = 'x' WHERE {ROW.format(3)}")
    assert [action for action, *_ in found] == ["update"]


def test_a_delete_is_recorded_and_counted(copies):
    found = copies.applied(f"DELETE FROM anomalies WHERE {ROW.format(4)}")
    assert [action for action, *_ in found] == ["delete"]
    assert copies.missing_in_roll_ups() == []


def test_a_truncate_is_recorded_and_counted(copies):
    found = copies.applied("TRUNCATE anomalies")
    assert [action for action, *_ in found] == ["truncate"]
    assert copies.missing_in_roll_ups() == []


def test_entries_that_are_changed_at_the_source_are_not_changed_here(copies):
    """The apply worker is refused and begins again and again; PostgreSQL counts that."""
    copies.first.execute("ALTER PUBLICATION copied ADD TABLE audit_log")
    copies.second.execute("ALTER SUBSCRIPTION copied REFRESH PUBLICATION WITH (copy_data = false)")
    copies.first.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
    copies.first.execute("UPDATE audit_log SET username = 'mallory'")
    errors = "SELECT apply_error_count FROM pg_stat_subscription_stats"
    wait_until(lambda: copies.second.execute(errors).fetchone() != (0,))
    assert not copies.second.execute("SELECT FROM audit_log WHERE username = 'mallory'").fetchall()


# --- sessions that call themselves a replica's ------------------------------------------------------------


@pytest.mark.parametrize("role", ["origin", "local", "replica"])
def test_a_session_of_any_replication_role_leaves_one_entry_a_change(role):
    anomaly = make_anomaly()
    with transaction.atomic():
        run(f"SET LOCAL session_replication_role = {role}")
        run("SET LOCAL driftlock.requires_actor = 'off'")
        run("UPDATE anomalies SET status = 'dismissed', detailed_explanation = 'x'")
        run("UPDATE anomalies SET id = gen_random_uuid(), notes = 'y'")
        run("DELETE FROM anomalies")
        make_anomaly(**anomaly_values(tags=["a", "b"]))
    actions = run("SELECT action FROM audit_log WHERE resource_id IS NOT NULL AND id > %s", first(anomaly.pk))
    assert sorted(action for (action,) in actions) == ["create", "delete", "dismiss", "update", "update"]
    assert run("SELECT * FROM anomaly_hours_missing") == []
    assert run("SELECT * FROM anomaly_tags_missing") == []
    assert run("SELECT * FROM anomaly_patterns_missing") == []


def first(anomaly_id: Any) -> int:
    return run("SELECT min(id) FROM audit_log WHERE resource_id = %s", anomaly_id)[0][0]
