"""The two views that dashboards read; Django knows them as unmanaged models."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0002_updated_at_triggers")]

    operations = [
        migrations.RunSQL(
            sql=[
                """
                CREATE VIEW recent_significant_anomalies AS
                SELECT id, timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
                       compression_ratio_change, tags, created_at
                FROM anomalies
                WHERE is_statistically_significant AND p_value < 0.05
                ORDER BY timestamp DESC
                LIMIT 100
                """,
                """
                CREATE VIEW anomaly_stats_by_stream AS
                SELECT stream_type,
                       count(*) AS total_anomalies,
                       count(*) FILTER (WHERE is_statistically_significant) AS significant_anomalies,
                       avg(ncd_score) AS avg_ncd_score,
                       avg(p_value) AS avg_p_value,
                       count(*) FILTER (WHERE status = 'pending') AS pending_count,
                       count(*) FILTER (WHERE status = 'acknowledged') AS acknowledged_count,
                       count(*) FILTER (WHERE status = 'dismissed') AS dismissed_count,
                       count(*) FILTER (WHERE status = 'investigating') AS investigating_count
                FROM anomalies
                GROUP BY stream_type
                """,
            ],
            reverse_sql=[
                "DROP VIEW anomaly_stats_by_stream",
                "DROP VIEW recent_significant_anomalies",
            ],
        ),
        migrations.CreateModel(
            name="RecentSignificantAnomaly",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("timestamp", models.DateTimeField()),
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
                ("ncd_score", models.FloatField(verbose_name="NCD")),
                ("p_value", models.FloatField(verbose_name="p-value")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("acknowledged", "acknowledged"),
                            ("dismissed", "dismissed"),
                            ("investigating", "investigating"),
                        ],
                        max_length=20,
                    ),
                ),
                ("glass_box_explanation", models.TextField(verbose_name="explanation")),
                ("compression_ratio_change", models.FloatField(null=True, verbose_name="change")),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), null=True, size=None
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "recent significant anomalies",
                "db_table": "recent_significant_anomalies",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="StreamStatistics",
            fields=[
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
                        primary_key=True,
                        serialize=False,
                        verbose_name="stream",
                    ),
                ),
                ("total_anomalies", models.BigIntegerField(verbose_name="total")),
                ("significant_anomalies", models.BigIntegerField(verbose_name="significant")),
                ("avg_ncd_score", models.FloatField(verbose_name="average NCD")),
                ("avg_p_value", models.FloatField(verbose_name="average p-value")),
                ("pending_count", models.BigIntegerField(verbose_name="pending")),
                ("acknowledged_count", models.BigIntegerField(verbose_name="acknowledged")),
                ("dismissed_count", models.BigIntegerField(verbose_name="dismissed")),
                ("investigating_count", models.BigIntegerField(verbose_name="investigating")),
            ],
            options={
                "verbose_name": "statistics by stream",
                "verbose_name_plural": "statistics by stream",
                "db_table": "anomaly_stats_by_stream",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
