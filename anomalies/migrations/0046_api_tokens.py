"""Tokens for the HTTP API: the table api_tokens, whose changes the audit log records.

A token acts in its owner's name, so making, changing, revoking and deleting one leaves an entry, as for accounts.
The digest never does, only that it changed; nor does the time of the last use, which is written every minute.
"""

import importlib

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import anomalies.fields

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
record = pinning.record

OWN = pinning.OWN
COLUMNS = "id owner_id name prefix scopes expires_at revoked_at".split()
SCOPES = [
    ("read", "read: anomalies, evidence, statistics, configs, history"),
    ("ingest", "ingest: store anomalies"),
    ("decide", "decide: decisions, undo, notes, assignment, snooze"),
    ("configure", "configure: activate a detection config"),
]


def token(row):
    """A token as the audit log shows it: without its digest."""
    return f"jsonb_build_object({', '.join(f'{name!r}, {row}.{name}' for name in COLUMNS)})"


def about(row):
    owner = f"(SELECT username FROM {OWN}.auth_user WHERE id = {row or 'NEW'}.owner_id)"
    return f"jsonb_build_object('id', {row or 'NEW'}.id, 'account', {owner})"


CHANGE = pinning.function(
    "audit_api_token_change()",
    pinning.row_change(
        "'API token'",
        token("NEW"),
        token("OLD"),
        pinning.first.compare(COLUMNS)
        + """
            IF OLD.digest IS DISTINCT FROM NEW.digest THEN
                before := before || '{"digest": "former"}';
                after := after || '{"digest": "changed"}';
            END IF;""",
        "",
        about,
    ),
    record.COMPARING,
)
FORWARDS = [
    CHANGE,
    f"REVOKE ALL ON FUNCTION {OWN}.audit_api_token_change() FROM PUBLIC",
    *record.new_trigger(
        "audit_api_tokens",
        f"{OWN}.api_tokens",
        f"AFTER INSERT OR UPDATE OF {', '.join(COLUMNS)}, digest OR DELETE ON {OWN}.api_tokens "
        f"FOR EACH ROW EXECUTE FUNCTION {OWN}.audit_api_token_change()",
    ),
    *record.new_trigger(
        "audit_api_tokens_truncate",
        f"{OWN}.api_tokens",
        f"BEFORE TRUNCATE ON {OWN}.api_tokens FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {OWN}.audit_truncate('API token')",
    ),
]
BACKWARDS = [
    f"DROP TRIGGER audit_api_tokens_truncate ON {OWN}.api_tokens",
    f"DROP TRIGGER audit_api_tokens ON {OWN}.api_tokens",
    f"DROP FUNCTION {OWN}.audit_api_token_change()",
]


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("anomalies", "0045_patterns_counted"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="The program that uses it.", max_length=80)),
                ("prefix", models.CharField(max_length=20)),
                ("digest", models.CharField(max_length=64, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(choices=SCOPES, max_length=20), size=None
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("last_used_at", models.DateTimeField(blank=True, null=True, verbose_name="last used")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked")),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "api_tokens", "verbose_name": "API token", "default_permissions": ()},
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
