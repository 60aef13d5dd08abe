"""The audit log holds how many anomalies it does not account for, so that every further one is found.

Each INSERT of anomalies leaves an entry with the number of its rows, each DELETE an entry a row; what is not from
these was there before its triggers, in a database that was adopted. An anomaly that is decided, assigned or
snoozed though no entry about it names that column came so, before pin_audit_functions recorded it. Both are counted once, here,
into one entry of the action ``baseline``; where both are 0, as in a new database, there is no entry.

Outside of a transaction: one statement, whose snapshot holds each write with its entry or neither, reads the table
once and the entries of decided anomalies by their index. It holds nobody up. Cut off, it wrote nothing; run
twice, it counts again what it counted, and the last entry is the one that holds.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN = pinning.OWN

OF_ANOMALIES = "resource_type = 'anomaly'"
# A TRUNCATE ended whatever was recorded before it.
SINCE = f"(SELECT coalesce(max(id), 0) FROM {OWN}.audit_log WHERE {OF_ANOMALIES} AND action = 'truncate')"
RECORDED = f"""
    (SELECT coalesce(sum(CASE action WHEN 'create' THEN (metadata ->> 'rows')::bigint ELSE -1 END), 0)
     FROM {OWN}.audit_log WHERE {OF_ANOMALIES} AND action IN ('create', 'delete') AND id > {SINCE})
"""
UNEXPLAINED = f"""
    {pinning.has_arrived_decided("row.")} AND EXISTS (
        SELECT FROM jsonb_each({pinning.arrival("row.")} - 'notes') AS column_
        WHERE NOT (column_.key = 'status' AND column_.value = '"pending"') AND NOT EXISTS (
            SELECT FROM {OWN}.audit_log AS entry
            WHERE {OF_ANOMALIES} AND resource_id = row.id AND new_values ? column_.key
              AND entry.id > {SINCE} AND NOT EXISTS (
                  SELECT FROM {OWN}.audit_log AS later
                  WHERE {OF_ANOMALIES} AND resource_id = row.id AND action = 'delete' AND later.id > entry.id)))
"""
BASELINE = f"""
    INSERT INTO {OWN}.audit_log (timestamp, username, action, resource_type, metadata)
    SELECT clock_timestamp(), session_user, 'baseline', 'anomaly',
           {pinning.BATCH} || {pinning.DATABASE}
               || jsonb_build_object('rows', present - recorded, 'decided', unexplained)
    FROM (
        SELECT count(*) AS present, {RECORDED} AS recorded,
               count(*) FILTER (WHERE {UNEXPLAINED}) AS unexplained
        FROM {OWN}.anomalies AS row
    ) AS counted
    WHERE present <> recorded OR unexplained > 0
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0034_baseline_of_accounts")]

    operations = [pinning.InOwnSchema([BASELINE], migrations.RunSQL.noop)]
