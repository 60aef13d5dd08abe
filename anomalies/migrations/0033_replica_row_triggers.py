"""Changes that logical replication applies are recorded and counted, row by row.

The apply worker of a subscription fires no statement triggers, so whatever it changed left no entry, no figure
in the roll-ups, and could empty the audit log. Row triggers that are ENABLE REPLICA fire in sessions whose
``session_replication_role`` is ``replica`` and in no other, as the apply worker's is; the statement triggers
that they stand in for fire in all other sessions and no longer in those. So each change fires one of the two, and
a session of one's own pays nothing for the row triggers.

TRUNCATE has statement triggers only, which fire in the apply worker as well.

The triggers are made under a short lock (SHARE ROW EXCLUSIVE): readers go on. Whoever inserted with the functions
of before pin_audit_functions has ended when it is granted.
"""

import importlib

from django.db import migrations

hours = importlib.import_module("anomalies.migrations.0019_roll_up")
tags = importlib.import_module("anomalies.migrations.0027_roll_up_of_tags")
pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN = pinning.OWN

# Their counterparts by row are below: until now they fired in every session, the apply worker's excepted.
BY_STATEMENT = [
    "audit_anomalies_insert",
    "audit_anomalies_update",
    *(f"roll_up_{event}" for event in hours.CHANGES),
    *(f"roll_up_tags_{event}" for event in tags.CHANGES),
]
BY_ROW = "audit_anomalies_update_id"  # by row already; a changed id is among what its counterpart records

INSERTED = pinning.function(
    "audit_anomaly_replicated()",
    pinning.entry(
        "'create'",
        "'anomaly'",
        "NEW.id",
        after=f"CASE WHEN {pinning.has_arrived_decided('NEW.')} THEN {pinning.arrival('NEW.')} END",
        about="jsonb_build_object('rows', 1, 'decided_on_arrival', (NEW.status <> 'pending')::integer)",
    ),
    settings=pinning.EXACT,
)

HOUR = """
                    SELECT date_trunc('hour', {row}.timestamp, 'UTC') AS hour, {row}.stream_type AS stream_type,
                           {row}.status AS status, {row}.is_statistically_significant AS significant,
                           {sign}1 AS total, {sign}{row}.ncd_score::numeric AS ncd_sum,
                           {sign}{row}.p_value::numeric AS p_sum WHERE TG_OP <> '{absent}'"""
TAGS = """
                    SELECT {row}.tags AS tags, {row}.stream_type AS stream_type, {row}.status AS status, {sign}1 AS one
                    WHERE TG_OP <> '{absent}' AND {row}.tags <> '{{}}'"""


def of_the_row(part):
    """What a row's change adds, of the row that is new, and takes away, of the one that was."""
    new = part.format(row="NEW", sign="", absent="DELETE")
    return f"{new}\n                    UNION ALL{part.format(row='OLD', sign='-', absent='INSERT')}"


ROLLED_UP = [
    pinning.function(f"{name}_row()", body.replace("public.", f"{OWN}."))
    for name, body in (
        ("roll_up", hours.appending(of_the_row(HOUR))),
        ("roll_up_tags", tags.appending(of_the_row(TAGS))),
    )
]

TRIGGERS = {
    "audit_anomalies_insert_replica": ("anomalies", "AFTER INSERT", "audit_anomaly_replicated()"),
    "audit_anomalies_update_replica": ("anomalies", "AFTER UPDATE", "audit_anomaly_update()"),
    "roll_up_replica": ("anomalies", "AFTER INSERT OR UPDATE OR DELETE", "roll_up_row()"),
    "roll_up_tags_replica": ("anomalies", "AFTER INSERT OR UPDATE OR DELETE", "roll_up_tags_row()"),
    "audit_log_append_only_replica": ("audit_log", "BEFORE UPDATE OR DELETE", "audit_append_only()"),
    "audit_seals_append_only_replica": ("audit_seals", "BEFORE UPDATE OR DELETE", "audit_append_only()"),
}


FUNCTIONS = ["audit_anomaly_replicated()", "roll_up_row()", "roll_up_tags_row()"]

FORWARDS = [
    INSERTED,
    *ROLLED_UP,
    *(f"REVOKE ALL ON FUNCTION {OWN}.{name} FROM PUBLIC" for name in FUNCTIONS),
    *(
        statement
        for name, (table, event, called) in TRIGGERS.items()
        for statement in (
            f"CREATE TRIGGER {name} {event} ON {OWN}.{table} FOR EACH ROW EXECUTE FUNCTION {OWN}.{called}",
            f"ALTER TABLE {OWN}.{table} ENABLE REPLICA TRIGGER {name}",
        )
    ),
    *(f"ALTER TABLE {OWN}.anomalies ENABLE TRIGGER {name}" for name in (*BY_STATEMENT, BY_ROW)),
]
BACKWARDS = [
    *(f"ALTER TABLE {OWN}.anomalies ENABLE ALWAYS TRIGGER {name}" for name in (*BY_STATEMENT, BY_ROW)),
    *(f"DROP TRIGGER {name} ON {OWN}.{table}" for name, (table, *_) in TRIGGERS.items()),
    *(f"DROP FUNCTION {OWN}.{name}" for name in FUNCTIONS),
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0032_pin_rollup_functions")]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
