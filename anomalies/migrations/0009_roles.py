"""The roles as groups: a viewer sees, an analyst decides, a lead configures.

Django makes permissions after all migrations have run, too late to be given here, so this makes the ones
that it gives; Django finds them afterwards and leaves them alone. Groups that exist already keep what
they have. Backwards the groups stay: people may be in them.
"""

from django.db import migrations

SEES = {
    "anomaly": {"view_anomaly": "Can view anomaly"},
    "recentsignificantanomaly": {"view_recentsignificantanomaly": "Can view recent significant anomaly"},
    "streamstatistics": {"view_streamstatistics": "Can view statistics by stream"},
    "performancemetric": {"view_performancemetric": "Can view performance metric"},
    "detectionconfig": {"view_detectionconfig": "Can view detection config"},
    "auditlog": {"view_auditlog": "Can view audit entry"},
}
DECIDES = {"anomaly": {"decide_anomaly": "Can decide about anomalies"}}
CONFIGURES = {
    "detectionconfig": {
        "add_detectionconfig": "Can add detection config",
        "change_detectionconfig": "Can change detection config",
        "activate_detectionconfig": "Can activate a detection config",
    }
}
ROLES = {"viewer": [SEES], "analyst": [SEES, DECIDES], "lead": [SEES, DECIDES, CONFIGURES]}


def make_roles(apps, schema_editor):
    database = schema_editor.connection.alias
    for role, parts in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.using(database).get_or_create(name=role)
        for part in parts:
            for model, permissions in part.items():
                group.permissions.add(*make_permissions(apps, database, model, permissions))


def make_permissions(apps, database, model, permissions):
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    content_type, _ = content_types.get_or_create(app_label="anomalies", model=model)
    permissions_there = apps.get_model("auth", "Permission").objects.using(database)
    return [
        permissions_there.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )[0]
        for codename, name in permissions.items()
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0008_audit_triggers"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
