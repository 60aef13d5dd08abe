"""What is known of the pauses of a stream that came by OTLP, so that the worker can say that it is silent.

The columns are nullable and empty: a stream that was judged before is looked at from its next request on.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0060_record_ways_to_sign_in")]

    operations = [
        migrations.AddField("detectorstream", "heard_at", models.DateTimeField(null=True)),
        migrations.AddField("detectorstream", "longest_pause", models.FloatField(null=True)),
        migrations.AddField("detectorstream", "pauses", models.IntegerField(null=True)),
        migrations.AddField("detectorstream", "reported_at", models.DateTimeField(null=True)),
        migrations.AddField("detectorstream", "is_silent", models.BooleanField(null=True)),
    ]
