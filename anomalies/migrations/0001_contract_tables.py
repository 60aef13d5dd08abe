"""The four tables of docs/schema.md with their indexes and CHECKs, on an empty database.

The CHECKs carry the names that PostgreSQL gives an unnamed one, as databases older than Django have them.
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models

import anomalies.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Anomaly",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=anomalies.fields.RandomUUID(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("timestamp", models.DateTimeField(help_text="When the window happened.")),
                (
                    "stream_type",
                    models.CharField(
                        choices=[
                            ("logs", "logs"),
                            ("metrics", "metrics"),
                            ("traces", "traces"),
                            ("llm", "LLM"),
                        ],
                        max_length=50,
                        verbose_name="stream",
                    ),
                ),
                (
                    "ncd_score",
                    models.FloatField(
                        help_text="Normalized compression distance, 0 to 1.", verbose_name="NCD"
                    ),
                ),
                ("p_value", models.FloatField(help_text="0 to 1.", verbose_name="p-value")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("acknowledged", "acknowledged"),
                            ("dismissed", "dismissed"),
                            ("investigating", "investigating"),
                        ],
                        db_default="pending",
                        max_length=20,
                    ),
                ),
                ("glass_box_explanation", models.TextField(verbose_name="explanation")),
                ("detailed_explanation", models.TextField(blank=True, null=True)),
                (
                    "compression_baseline",
                    models.FloatField(help_text="Compressed / raw size of the baseline."),
                ),
                ("compression_window", models.FloatField(help_text="Compressed / raw size of the window.")),
                (
                    "compression_combined",
                    models.FloatField(help_text="Compressed / raw size of both together."),
                ),
                (
                    "compression_ratio_change",
                    models.FloatField(
                        blank=True,
                        help_text="Percent: (window - baseline) / baseline × 100.",
                        null=True,
                        verbose_name="change",
                    ),
                ),
                ("baseline_entropy", models.FloatField(blank=True, help_text="Bits per byte.", null=True)),
                ("window_entropy", models.FloatField(blank=True, help_text="Bits per byte.", null=True)),
                (
                    "entropy_change",
                    models.FloatField(blank=True, help_text="Bits per byte: window - baseline.", null=True),
                ),
                (
                    "confidence_level",
                    models.FloatField(help_text="0 to 1: 1 - p.", verbose_name="confidence"),
                ),
                (
                    "is_statistically_significant",
                    models.BooleanField(db_default=False, verbose_name="significant"),
                ),
                ("baseline_data", models.JSONField(blank=True, null=True, verbose_name="baseline")),
                ("window_data", models.JSONField(blank=True, null=True, verbose_name="window")),
                ("metadata", models.JSONField(blank=True, null=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=anomalies.fields.EmptyArray(),
                        null=True,
                        size=None,
                    ),
                ),
                ("acknowledged_by", models.CharField(blank=True, max_length=255, null=True)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("dismissed_by", models.CharField(blank=True, max_length=255, null=True)),
                ("dismissed_at", models.DateTimeField(blank=True, null=True)),
                ("notes", models.TextField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("updated_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "verbose_name_plural": "anomalies",
                "db_table": "anomalies",
                "permissions": [("decide_anomaly", "Can decide about anomalies")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["-timestamp"], name="idx_anomalies_timestamp"),
                    models.Index(fields=["status"], name="idx_anomalies_status"),
                    models.Index(fields=["stream_type"], name="idx_anomalies_stream_type"),
                    models.Index(fields=["p_value"], name="idx_anomalies_p_value"),
                    models.Index(fields=["ncd_score"], name="idx_anomalies_ncd_score"),
                    models.Index(
                        condition=models.Q(("is_statistically_significant", True)),
                        fields=["is_statistically_significant"],
                        name="idx_anomalies_significant",
                    ),
                    models.Index(fields=["-created_at"], name="idx_anomalies_created_at"),
                    django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="idx_anomalies_tags"),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["metadata"], name="idx_anomalies_metadata"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("stream_type__in", ["logs", "metrics", "traces", "llm"])),
                        name="anomalies_stream_type_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ncd_score__gte", 0.0), ("ncd_score__lte", 1.0)),
                        name="anomalies_ncd_score_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("p_value__gte", 0.0), ("p_value__lte", 1.0)),
                        name="anomalies_p_value_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["pending", "acknowledged", "dismissed", "investigating"])
                        ),
                        name="anomalies_status_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("confidence_level__gte", 0.0), ("confidence_level__lte", 1.0)),
                        name="anomalies_confidence_level_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DetectionConfig",
            fields=[
                ("id", anomalies.fields.SerialField(primary_key=True, serialize=False)),
                (
                    "ncd_threshold",
                    models.FloatField(db_default=0.5, default=0.5, verbose_name="NCD threshold"),
                ),
                (
                    "p_value_threshold",
                    models.FloatField(db_default=0.05, default=0.05, verbose_name="p-value threshold"),
                ),
                ("baseline_size", models.IntegerField(db_default=100, default=100, help_text="Events.")),
                ("window_size", models.IntegerField(db_default=10, default=10, help_text="Events.")),
                (
                    "hop_size",
                    models.IntegerField(
                        db_default=1,
                        default=1,
                        help_text="Events from the start of one window to the start of the next.",
                    ),
                ),
                (
                    "stream_overrides",
                    models.JSONField(
                        blank=True,
                        db_default={},
                        default=dict,
                        help_text='Per stream, the same keys as above: {"logs": {"ncd_threshold": 0.6}}',
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now(), editable=False)),
                ("updated_at", models.DateTimeField(db_default=anomalies.fields.Now(), editable=False)),
                ("created_by", models.CharField(db_default="system", editable=False, max_length=255)),
                ("notes", models.TextField(blank=True, null=True)),
                ("is_active", models.BooleanField(db_default=False, editable=False, verbose_name="active")),
            ],
            options={
                "verbose_name": "detection config",
                "db_table": "detection_config",
                "permissions": [("activate_detectionconfig", "Can activate a detection config")],
                "default_permissions": ("view", "add", "change"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ncd_threshold__gte", 0.0), ("ncd_threshold__lte", 1.0)),
                        name="detection_config_ncd_threshold_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("p_value_threshold__gte", 0.0), ("p_value_threshold__lte", 1.0)),
                        name="detection_config_p_value_threshold_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("baseline_size__gt", 0)),
                        name="detection_config_baseline_size_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("window_size__gt", 0)), name="detection_config_window_size_check"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hop_size__gt", 0)), name="detection_config_hop_size_check"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_active", True)),
                        fields=("is_active",),
                        name="idx_detection_config_active",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PerformanceMetric",
            fields=[
                ("id", anomalies.fields.BigSerialField(primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("metric_type", models.CharField(max_length=50)),
                ("endpoint", models.CharField(blank=True, max_length=255, null=True)),
                ("duration_ms", models.IntegerField(verbose_name="duration (ms)")),
                ("success", models.BooleanField(db_default=True)),
                ("error_message", models.TextField(blank=True, null=True)),
                ("metadata", models.JSONField(blank=True, db_default={}, null=True)),
            ],
            options={
                "db_table": "performance_metrics",
                "default_permissions": ("view",),
                "indexes": [
                    anomalies.fields.Index(fields=["-timestamp"], name="idx_performance_metrics_timestamp"),
                    anomalies.fields.Index(fields=["endpoint"], name="idx_performance_metrics_endpoint"),
                    anomalies.fields.Index(
                        fields=["metric_type"], name="idx_performance_metrics_metric_type"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditLog",
            fields=[
                ("id", anomalies.fields.BigSerialField(primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("username", models.CharField(max_length=255)),
                ("ip_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="address")),
                ("action", models.CharField(max_length=50)),
                ("resource_type", models.CharField(max_length=50, verbose_name="resource")),
                ("resource_id", models.UUIDField(blank=True, null=True)),
                ("old_values", models.JSONField(blank=True, null=True)),
                ("new_values", models.JSONField(blank=True, null=True)),
                ("metadata", models.JSONField(blank=True, db_default={}, null=True)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "db_table": "audit_log",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["-timestamp"], name="idx_audit_log_timestamp"),
                    models.Index(fields=["username"], name="idx_audit_log_username"),
                    models.Index(fields=["resource_type", "resource_id"], name="idx_audit_log_resource"),
                    models.Index(fields=["action"], name="idx_audit_log_action"),
                ],
            },
        ),
    ]
