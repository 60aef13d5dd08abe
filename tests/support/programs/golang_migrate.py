"""A database as golang-migrate made it: the SQL that docs/schema.md's last section tells of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

import psycopg
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from tests.support.catalogs import remembered
from tests.support.processes import manage

# uuid-ossp where the server has it; else a function of its name, as it would be after a restore without it.
UUID = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION "uuid-ossp";
    ELSE
        CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
    END IF;
END $$
"""

UP = """
CREATE TABLE anomalies (
    id UUID PRIMARY KEY DEFAULT uuid_generate_v4(),
    timestamp TIMESTAMPTZ NOT NULL,
    stream_type VARCHAR(50) NOT NULL CHECK (stream_type IN ('logs', 'metrics', 'traces', 'llm')),
    ncd_score DOUBLE PRECISION NOT NULL CHECK (ncd_score >= 0 AND ncd_score <= 1),
    p_value DOUBLE PRECISION NOT NULL CHECK (p_value >= 0 AND p_value <= 1),
    status VARCHAR(20) NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'acknowledged', 'dismissed', 'investigating')),
    glass_box_explanation TEXT NOT NULL,
    detailed_explanation TEXT,
    compression_baseline DOUBLE PRECISION NOT NULL,
    compression_window DOUBLE PRECISION NOT NULL,
    compression_combined DOUBLE PRECISION NOT NULL,
    compression_ratio_change DOUBLE PRECISION,
    baseline_entropy DOUBLE PRECISION,
    window_entropy DOUBLE PRECISION,
    entropy_change DOUBLE PRECISION,
    confidence_level DOUBLE PRECISION NOT NULL CHECK (confidence_level >= 0 AND confidence_level <= 1),
    is_statistically_significant BOOLEAN NOT NULL DEFAULT FALSE,
    baseline_data JSONB,
    window_data JSONB,
    metadata JSONB,
    tags TEXT[] DEFAULT '{}',
    acknowledged_by VARCHAR(255),
    acknowledged_at TIMESTAMPTZ,
    dismissed_by VARCHAR(255),
    dismissed_at TIMESTAMPTZ,
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);
CREATE INDEX idx_anomalies_timestamp ON anomalies (timestamp DESC);
CREATE INDEX idx_anomalies_status ON anomalies (status);
CREATE INDEX idx_anomalies_stream_type ON anomalies (stream_type);
CREATE INDEX idx_anomalies_p_value ON anomalies (p_value);
CREATE INDEX idx_anomalies_ncd_score ON anomalies (ncd_score);
CREATE INDEX idx_anomalies_significant ON anomalies (is_statistically_significant)
    WHERE is_statistically_significant = TRUE;
CREATE INDEX idx_anomalies_created_at ON anomalies (created_at DESC);
CREATE INDEX idx_anomalies_tags ON anomalies USING GIN (tags);
CREATE INDEX idx_anomalies_metadata ON anomalies USING GIN (metadata);

CREATE TABLE detection_config (
    id SERIAL PRIMARY KEY,
    ncd_threshold DOUBLE PRECISION NOT NULL DEFAULT 0.5 CHECK (ncd_threshold >= 0 AND ncd_threshold <= 1),
    p_value_threshold DOUBLE PRECISION NOT NULL DEFAULT 0.05
        CHECK (p_value_threshold >= 0 AND p_value_threshold <= 1),
    baseline_size INTEGER NOT NULL DEFAULT 100 CHECK (baseline_size > 0),
    window_size INTEGER NOT NULL DEFAULT 10 CHECK (window_size > 0),
    hop_size INTEGER NOT NULL DEFAULT 1 CHECK (hop_size > 0),
    stream_overrides JSONB DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    created_by VARCHAR(255) NOT NULL DEFAULT 'system',
    notes TEXT,
    is_active BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX idx_detection_config_active ON detection_config (is_active) WHERE is_active = TRUE;
INSERT INTO detection_config (is_active, notes) VALUES (TRUE, 'Default configuration');

CREATE TABLE performance_metrics (
    id BIGSERIAL PRIMARY KEY,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    metric_type VARCHAR(50) NOT NULL,
    endpoint VARCHAR(255),
    duration_ms INTEGER NOT NULL,
    success BOOLEAN NOT NULL DEFAULT TRUE,
    error_message TEXT,
    metadata JSONB DEFAULT '{}'
);
CREATE INDEX idx_performance_metrics_timestamp ON performance_metrics (timestamp DESC);
CREATE INDEX idx_performance_metrics_endpoint ON performance_metrics (endpoint);
CREATE INDEX idx_performance_metrics_metric_type ON performance_metrics (metric_type);

CREATE TABLE audit_log (
    id BIGSERIAL PRIMARY KEY,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    username VARCHAR(255) NOT NULL,
    ip_address INET,
    action VARCHAR(50) NOT NULL,
    resource_type VARCHAR(50) NOT NULL,
    resource_id UUID,
    old_values JSONB,
    new_values JSONB,
    metadata JSONB DEFAULT '{}'
);
CREATE INDEX idx_audit_log_timestamp ON audit_log (timestamp DESC);
CREATE INDEX idx_audit_log_username ON audit_log (username);
CREATE INDEX idx_audit_log_resource ON audit_log (resource_type, resource_id);
CREATE INDEX idx_audit_log_action ON audit_log (action);

CREATE OR REPLACE FUNCTION update_updated_at_column() RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$ language 'plpgsql';
CREATE TRIGGER update_anomalies_updated_at BEFORE UPDATE ON anomalies
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_detection_config_updated_at BEFORE UPDATE ON detection_config
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE OR REPLACE VIEW recent_significant_anomalies AS
SELECT id, timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
       compression_ratio_change, tags, created_at
FROM anomalies
WHERE is_statistically_significant = TRUE AND p_value < 0.05
ORDER BY timestamp DESC
LIMIT 100;

CREATE OR REPLACE VIEW anomaly_stats_by_stream AS
SELECT stream_type,
       COUNT(*) AS total_anomalies,
       COUNT(*) FILTER (WHERE is_statistically_significant = TRUE) AS significant_anomalies,
       AVG(ncd_score) AS avg_ncd_score,
       AVG(p_value) AS avg_p_value,
       COUNT(*) FILTER (WHERE status = 'pending') AS pending_count,
       COUNT(*) FILTER (WHERE status = 'acknowledged') AS acknowledged_count,
       COUNT(*) FILTER (WHERE status = 'dismissed') AS dismissed_count
FROM anomalies
GROUP BY stream_type;

CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
INSERT INTO schema_migrations VALUES (1, false);
"""

# Its file for the way back; {cascade} is empty, or CASCADE as some have it.
DOWN = """
DROP VIEW IF EXISTS anomaly_stats_by_stream {cascade};
DROP VIEW IF EXISTS recent_significant_anomalies {cascade};
DROP TRIGGER IF EXISTS update_detection_config_updated_at ON detection_config;
DROP TRIGGER IF EXISTS update_anomalies_updated_at ON anomalies;
DROP FUNCTION IF EXISTS update_updated_at_column() {cascade};
DROP TABLE IF EXISTS audit_log {cascade};
DROP TABLE IF EXISTS performance_metrics {cascade};
DROP TABLE IF EXISTS detection_config {cascade};
DROP TABLE IF EXISTS anomalies {cascade};
"""

# Rows as other detectors wrote them; {rows} of them.
ROWS = """
INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
                       compression_baseline, compression_window, compression_combined, confidence_level,
                       window_data, tags)
SELECT now() - n * interval '1 minute', 'logs', 0.7, 0.01, 'row ' || n, 0.2, 0.5, 0.3, 0.99,
       jsonb_build_array('line ' || n), ARRAY['db']
FROM generate_series(1, {rows}) AS n
"""

TABLES = ["anomalies", "detection_config", "performance_metrics", "audit_log"]
# What a writer that knows only the contract does; its id comes from the default.
OLD_INSERT = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
        compression_baseline, compression_window, compression_combined, confidence_level)
    VALUES (now(), 'logs', 0.5, 0.01, 'by an old writer', 0.1, 0.2, 0.3, 0.99)
"""
# Every value of the contract's columns in every row.
CONTRACT = """
    SELECT string_agg(md5(concat_ws('|', id, timestamp, stream_type, ncd_score, p_value, status, notes,
                                    acknowledged_by, created_at, updated_at, window_data, tags)),
                      '' ORDER BY id)
    FROM anomalies
"""


@dataclass
class Database:
    """A database of its own on the test's server."""

    name: str
    connect: Callable[..., psycopg.Connection]

    def run(self, statement: str, *values: Any) -> list[tuple]:
        """Run statements, committed at once; the rows of the last, if it gives any."""
        with self.connect() as opened:
            cursor = opened.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def schema(self, *arguments: str, **over: Any) -> tuple[int, str, str]:
        """``manage.py schema`` on it: exit status, what it printed, what it said."""
        process = manage("schema", *arguments, database=self.name, remembers=True, **over)
        printed, said = process.communicate(timeout=600)
        return process.returncode, printed.decode(), said.decode()

    def schema_here(self, *arguments: str) -> tuple[int, str, str]:
        """The same in this process, which is faster: the test's connection is lent to the database."""
        printed, said = StringIO(), StringIO()
        former, code = connection.settings_dict["NAME"], 0
        connection.close()
        connection.settings_dict["NAME"] = self.name
        try:
            with remembered():
                call_command("schema", *arguments, stdout=printed, stderr=said)
        except SystemExit as end:
            code = int(str(end.code))
        except CommandError as error:
            code = 1
            said.write(str(error))
        finally:
            connection.close()
            connection.settings_dict["NAME"] = former
        return code, printed.getvalue(), said.getvalue()


def connect(name: str, **over: Any) -> psycopg.Connection:
    """A connection to a database of the test's server, committing each statement."""
    params = connection.get_connection_params()
    given = {key: params[key] for key in ("host", "port", "user", "password") if params.get(key)}
    return psycopg.connect(**{**given, "dbname": name, "autocommit": True, **over})


@contextmanager
def made_by_golang_migrate(rows: int = 50) -> Iterator[Database]:
    """A database that golang-migrate made, with some rows; dropped at the end."""
    with copied() as made:
        made.run(UUID)
        made.run(UP)
        made.run(ROWS.format(rows=rows))
        yield made


@contextmanager
def copied(template: str = "template0") -> Iterator[Database]:
    """A copy of a database that nobody uses; dropped at the end."""
    name = f"golang_{secrets.token_hex(4)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with connect("postgres") as maintenance:
        maintenance.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield Database(name, lambda **over: connect(name, **over))
    finally:
        with connect("postgres") as maintenance:
            maintenance.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
