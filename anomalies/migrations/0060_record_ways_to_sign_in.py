"""The audit log records changes of second factors, and of the links between accounts and a provider's people.

Whoever removes a factor, or links another person to an account, may sign in as somebody else, so both leave an
entry, as accounts do. An entry has the factor's kind and never its secret; of a change of its data (a recovery code
was used, a passkey renamed) it says only that there was one. The time of the last use, written at each sign-in, is
left out. The tables are django-allauth's; each trigger is created with a lock for a moment.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
record = pinning.record

OWN = pinning.OWN
FACTOR = "id user_id type created_at".split()
LINK = "id user_id provider uid".split()


def shown(columns):
    """A function that shows these columns of a row as JSON."""
    return lambda row: f"jsonb_build_object({', '.join(f'{name!r}, {row}.{name}' for name in columns)})"


def about(row):
    owner = f"(SELECT username FROM {OWN}.auth_user WHERE id = {row or 'NEW'}.user_id)"
    return f"jsonb_build_object('id', {row or 'NEW'}.id, 'account', {owner})"


def recording(name, resource_type, columns, compared=""):
    """The trigger function that records the rows of a table by these columns."""
    show = shown(columns)
    compared = pinning.first.compare(columns) + compared
    body = pinning.row_change(f"'{resource_type}'", show("NEW"), show("OLD"), compared, "", about)
    return pinning.function(name, body, record.COMPARING)


DATA = """
            IF OLD.data IS DISTINCT FROM NEW.data THEN
                before := before || '{"data": "former"}';
                after := after || '{"data": "changed"}';
            END IF;"""
RECORDED = {  # by table: the function, the name of a row, the columns that the trigger looks at
    "mfa_authenticator": ("audit_second_factor_change()", "second factor", [*FACTOR, "data"]),
    "socialaccount_socialaccount": ("audit_sign_in_link_change()", "sign-in link", LINK),
}


def triggers(table):
    function, name, columns = RECORDED[table]
    return [
        f"REVOKE ALL ON FUNCTION {OWN}.{function} FROM PUBLIC",
        *record.new_trigger(
            f"audit_{table}",
            f"{OWN}.{table}",
            f"AFTER INSERT OR UPDATE OF {', '.join(columns)} OR DELETE ON {OWN}.{table} "
            f"FOR EACH ROW EXECUTE FUNCTION {OWN}.{function}",
        ),
        *record.new_trigger(
            f"audit_{table}_truncate",
            f"{OWN}.{table}",
            f"BEFORE TRUNCATE ON {OWN}.{table} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION {OWN}.audit_truncate('{name}')",
        ),
    ]


def without(table):
    return [
        f"DROP TRIGGER audit_{table}_truncate ON {OWN}.{table}",
        f"DROP TRIGGER audit_{table} ON {OWN}.{table}",
        f"DROP FUNCTION {OWN}.{RECORDED[table][0]}",
    ]


FORWARDS = [
    recording("audit_second_factor_change()", "second factor", FACTOR, DATA),
    recording("audit_sign_in_link_change()", "sign-in link", LINK),
    *[statement for table in RECORDED for statement in triggers(table)],
]
BACKWARDS = [statement for table in RECORDED for statement in without(table)]


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0059_condition_names"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
