"""Ownership: teams, and the rules in order that assign what arrives. The audit log records changes of both.

An anomaly names its team where it names its assignee, behind a sign that no username begins with, so the table of
anomalies stays as it is: no column, no index, no lock on it. The function that writes arrivals (0053) is replaced
in place: it writes them where an ownership rule is enabled, too. Both tables are new and empty.
"""

import importlib

import django.contrib.postgres.fields
from django.db import migrations, models

import anomalies.fields

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
ddl = importlib.import_module("anomalies.migrations.0051_record_ddl_of_later_tables")
former = importlib.import_module("anomalies.migrations.0053_notifications")
comments = importlib.import_module("anomalies.migrations.0055_comments")
record = pinning.record

OWN = pinning.OWN
TABLES = {
    "teams": ("team", "id name members created_by created_at".split()),
    "ownership_rules": (
        "ownership rule",
        "id position name query assign_to enabled created_by created_at".split(),
    ),
}
BEFORE_IT = [*comments.BEFORE_IT, "anomaly_comments", "comment_mentions"]


def name_of(table):
    """The name of the function that records changes of a table."""
    return f"audit_{TABLES[table][0].replace(' ', '_')}_change()"


def change(table):
    resource, columns = TABLES[table]
    return pinning.function(
        name_of(table),
        pinning.row_change(
            f"'{resource}'",
            "to_jsonb(NEW)",
            "to_jsonb(OLD)",
            pinning.first.compare(columns),
            "",
            lambda row: f"jsonb_build_object('id', {row or 'NEW'}.id)",
        ),
        record.COMPARING,
    )


def recorded(table):
    """The statements that make the triggers of a table."""
    return [
        change(table),
        f"REVOKE ALL ON FUNCTION {OWN}.{name_of(table)} FROM PUBLIC",
        *record.new_trigger(
            f"audit_{table}",
            f"{OWN}.{table}",
            f"AFTER INSERT OR UPDATE OR DELETE ON {OWN}.{table} "
            f"FOR EACH ROW EXECUTE FUNCTION {OWN}.{name_of(table)}",
        ),
        *record.new_trigger(
            f"audit_{table}_truncate",
            f"{OWN}.{table}",
            f"BEFORE TRUNCATE ON {OWN}.{table} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION {OWN}.audit_truncate('{TABLES[table][0]}')",
        ),
    ]


def not_recorded(table):
    return [
        f"DROP TRIGGER audit_{table}_truncate ON {OWN}.{table}",
        f"DROP TRIGGER audit_{table} ON {OWN}.{table}",
        f"DROP FUNCTION {OWN}.{name_of(table)}",
    ]


ARRIVED = former.ARRIVED.replace(
    """AND condition IN ('every_match', 'new_pattern', 'unassigned')
            )""",
    f"""AND condition IN ('every_match', 'new_pattern', 'unassigned')
            ) AND NOT EXISTS (
                SELECT FROM {OWN}.ownership_rules WHERE enabled
            )""",
)


def in_place(function):
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


FORWARDS = [
    *recorded("teams"),
    *recorded("ownership_rules"),
    in_place(ARRIVED),
    ddl.replaced([*BEFORE_IT, *TABLES]),
]
BACKWARDS = [
    # A writer that is within the function would find its table gone: those are waited for.
    f"LOCK TABLE {OWN}.anomalies IN SHARE ROW EXCLUSIVE MODE",
    ddl.replaced(BEFORE_IT),
    in_place(former.ARRIVED),
    *not_recorded("ownership_rules"),
    *not_recorded("teams"),
]


def key():
    return models.UUIDField(
        db_default=anomalies.fields.RandomUUID(), editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0061_stream_silence")]

    operations = [
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", key()),
                ("name", models.CharField(max_length=60, unique=True)),
                (
                    "members",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), blank=True, db_default=[], size=None
                    ),
                ),
                ("created_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "db_table": "teams",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "^[a-z0-9][a-z0-9-]*$")), name="teams_name_check"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OwnershipRule",
            fields=[
                ("id", key()),
                ("position", models.IntegerField()),
                ("name", models.CharField(max_length=80)),
                ("query", models.TextField(blank=True, db_default="")),
                ("assign_to", models.CharField(max_length=255)),
                ("enabled", models.BooleanField(db_default=True)),
                ("created_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "verbose_name": "ownership rule",
                "verbose_name_plural": "ownership",
                "db_table": "ownership_rules",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("name", ""), _negated=True),
                            models.Q(("assign_to", ""), _negated=True),
                            models.Q(("created_by", ""), _negated=True),
                        ),
                        name="ownership_rules_named_check",
                    ),
                    models.UniqueConstraint(
                        deferrable=models.Deferrable["DEFERRED"],
                        fields=("position",),
                        name="ownership_rules_position",
                    ),
                ],
            },
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
