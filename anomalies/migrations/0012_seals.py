"""Seals over the record: which entries, what they hash to, and a signature whose key is not in here.

Append-only as the record itself is; the function that refuses says now which table it refuses for.
"""

import importlib

from django.db import migrations, models

import anomalies.fields

former = importlib.import_module("anomalies.migrations.0011_record")

APPEND_ONLY = former.function(
    "audit_append_only()",
    """
            RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'DL002', HINT = 'The record stays as it was written.';
    """,
)


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0011_record")]

    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("made_at", models.DateTimeField()),
                ("ids", anomalies.fields.MultirangeField()),
                ("rows", models.BigIntegerField()),
                ("settled", models.BigIntegerField()),
                ("seen", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("row_hashes", models.BinaryField()),
                ("guard", models.CharField(max_length=64)),
                ("former", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=16)),
                ("signature", models.CharField(max_length=128)),
                ("head", models.CharField(max_length=64)),
            ],
            options={"db_table": "audit_seals", "default_permissions": ("view",)},
        ),
        migrations.RunSQL(
            sql=[
                APPEND_ONLY,
                *former.new_trigger(
                    "audit_seals_append_only",
                    "audit_seals",
                    "BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals "
                    "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
                ),
            ],
            reverse_sql=["DROP TRIGGER audit_seals_append_only ON audit_seals", former.APPEND_ONLY],
        ),
    ]
