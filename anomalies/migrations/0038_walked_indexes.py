"""The desk's indexes, in the form in which a list can be read from them whatever the planner expects.

A page is read along one index, a bounded number of its entries (queries/bounded). So that no other index answers its
order, or a part of it that would be sorted on, each has an order of its own: all columns run one way, which a row
comparison enters at any place, NULLs, of which there are none, stand at the other end than in the contract's
indexes, and texts are in another collation. One by status, stream and significance answers each combination of the three; the former ones, by status and
by stream, answered one column each. Words are found in the column of 0037, and parsed where a row has none.

Built CONCURRENTLY before the former ones go: on a large table readers and writers go on meanwhile.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import migrations
from django.db.models import F, Index
from django.db.models.functions import Coalesce, Collate, Left

STATE = ["status", "stream_type", "is_statistically_significant"]
TEXTS = SearchVector(Left("glass_box_explanation", 100000), Left("notes", 100000), config="simple")


def up(*columns):
    keys = [Collate(column, "C") if column in STATE[:2] else F(column) for column in columns]
    return [key.asc(nulls_first=True) for key in keys]


def down(*columns):
    return [F(column).desc(nulls_last=True) for column in columns]


INDEXES = [
    Index(*down("timestamp", "id"), include=STATE, name="idx_anomalies_walk_time"),
    Index(*up(*STATE, "timestamp", "id"), name="idx_anomalies_walk_status"),
    Index(*up("stream_type", "timestamp", "id"), name="idx_anomalies_walk_stream"),
    Index(*down("ncd_score", "id"), include=STATE, name="idx_anomalies_walk_ncd"),
    Index(*up("p_value", "id"), include=STATE, name="idx_anomalies_walk_p"),
    GinIndex(
        Coalesce("search_document", TEXTS, output_field=SearchVectorField()), name="idx_anomalies_words"
    ),
]
FORMER = [f"idx_anomalies_{name}" for name in ("status_time", "stream_time", "by_ncd", "by_p", "search")]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0037_search_document")]

    operations = [
        *(AddIndexConcurrently(model_name="anomaly", index=index) for index in INDEXES),
        *(RemoveIndexConcurrently(model_name="anomaly", name=name) for name in FORMER),
    ]
