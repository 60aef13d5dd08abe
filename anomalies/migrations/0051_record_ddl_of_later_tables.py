"""DDL on tables that are younger than 0036 leaves an entry too: patterns, API tokens and rules for what comes.

The names of the tables are part of the function, so it is replaced where it is. Where no superuser made it there is
nothing to replace. Where one did, and another role runs this, the function stays as it is, and ``audit verify``
names it until a superuser runs what ``manage.py sqlmigrate anomalies 0051`` prints.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
first = importlib.import_module("anomalies.migrations.0036_record_ddl")

OWN = pinning.OWN
LATER = ["anomaly_patterns", "anomaly_pattern_deltas", "api_tokens", "triage_rules", "triage_rule_hours"]


def replaced(tables):
    """The function with these tables, in place of the one that exists."""
    names = first.FUNCTION.replace(first.quoted(first.TABLES), first.quoted(tables))
    function = names.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    return f"""
    DO $do$
    BEGIN
        IF to_regprocedure($name${OWN}.audit_ddl()$name$) IS NOT NULL THEN
            {function};
        END IF;
    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'audit_ddl() is not replaced: % does not own it; a superuser can run this', current_user;
    END;
    $do$
"""


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0050_api_allowances_and_answers")]

    operations = [pinning.InOwnSchema([replaced([*first.TABLES, *LATER])], [replaced(first.TABLES)])]
