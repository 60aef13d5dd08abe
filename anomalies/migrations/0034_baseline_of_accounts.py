"""The audit log holds the state of configs, accounts and roles from which it can be replayed.

``audit verify --replay`` builds every config, account and role from the entries about it and compares it with
the tables. What was there before its triggers left no entry: the default config, the roles' groups and their
permissions, whatever a database had that was adopted. Their state now goes into entries of the action
``baseline``, a thousand rows each; in a new database that holds nothing but what migrations made (0004, 0009) there
are none, since that is known. TRUNCATE of these tables leaves an entry from now on.

CREATE TRIGGER and ENABLE TRIGGER lock each table against writers until the end of this transaction, so nothing
changes between a baseline and the entries that follow it. The tables are small.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
record = pinning.record

OWN = pinning.OWN
ROWS = 1000  # of a table in one entry

ACCOUNTS = {
    "auth_user": "account",
    "auth_user_groups": "role of an account",
    "auth_user_user_permissions": "permission of an account",
    "auth_group": "role",
    "auth_group_permissions": "permission of a role",
}
COLUMNS = {
    "detection_config": pinning.first.CONFIG,
    "auth_user": "id username is_active is_staff is_superuser email".split(),
    "auth_user_groups": ["id", "user_id", "group_id"],
    "auth_user_user_permissions": ["id", "user_id", "permission_id"],
    "auth_group": ["id", "name"],
    "auth_group_permissions": ["id", "group_id", "permission_id"],
}
# Nothing was recorded but the baselines before this one; the config is the default one, the roles are ours.
IS_NEW = f"""(
            NOT EXISTS (SELECT FROM {OWN}.audit_log WHERE action <> 'baseline')
            AND NOT EXISTS (SELECT FROM {OWN}.auth_user)
            AND (SELECT array_agg(ARRAY[id::text, name] ORDER BY id) FROM {OWN}.auth_group)
                = '{{{{1,viewer}},{{2,analyst}},{{3,lead}}}}'
            AND (SELECT count(*) = 1 AND bool_and(id = 1 AND ncd_threshold = 0.5 AND p_value_threshold = 0.05
                    AND baseline_size = 100 AND window_size = 10 AND hop_size = 1 AND stream_overrides = '{{}}'
                    AND created_by = 'system' AND notes IS NULL AND is_active)
                 FROM {OWN}.detection_config))"""


def baseline(table, resource_type):
    """The statement that writes the rows of a table into entries."""
    row = ", ".join(f"'{column}', {column}" for column in COLUMNS[table])
    return f"""
        INSERT INTO {OWN}.audit_log (timestamp, username, action, resource_type, new_values, metadata)
        SELECT clock_timestamp(), session_user, 'baseline', '{resource_type}',
               jsonb_agg(jsonb_build_object({row}) ORDER BY id),
               {pinning.BATCH} || {pinning.DATABASE} || jsonb_build_object('rows', count(*))
        FROM (SELECT *, (row_number() OVER (ORDER BY id) - 1) / {ROWS} AS part FROM {OWN}.{table}) AS numbered
        WHERE NOT {IS_NEW}
        GROUP BY part
    """


FORWARDS = [
    *(
        statement
        for table, word in ACCOUNTS.items()
        for statement in record.new_trigger(
            f"audit_{table}_truncate",
            f"{OWN}.{table}",
            f"BEFORE TRUNCATE ON {OWN}.{table} FOR EACH STATEMENT EXECUTE FUNCTION {OWN}.audit_truncate('{word}')",
        )
    ),
    f"ALTER TABLE {OWN}.detection_config ENABLE ALWAYS TRIGGER audit_detection_config",
    *(baseline(table, word) for table, word in {"detection_config": "detection_config", **ACCOUNTS}.items()),
]
BACKWARDS = [f"DROP TRIGGER audit_{table}_truncate ON {OWN}.{table}" for table in ACCOUNTS]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0033_replica_row_triggers")]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
