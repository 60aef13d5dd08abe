"""The tables behind OTLP: batches that wait for the worker, and the state of each stream's detector."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from anomalies.fields import Now


class IncomingBatch(models.Model):
    """The records that one request holds of one stream; `ingest.otlp` writes and reads them.

    ``digest`` is of the content, so the same request is stored once; ``number`` is their order; ``body`` is
    compressed by zstd. A batch that was judged keeps its row for a while, without its body, so that a late
    retry finds it. One that could not be judged is done too: ``failure`` says why, and its body stays.
    """

    number = models.BigAutoField(primary_key=True)
    digest = models.UUIDField(unique=True)
    received_at = models.DateTimeField(db_default=Now())
    signal = models.CharField(max_length=10)
    service = models.CharField(max_length=200)
    scope = models.CharField(max_length=200)
    items = models.IntegerField()  # log records, data points or spans
    size = models.IntegerField()  # bytes of the body as stored
    body = models.BinaryField()
    done_at = models.DateTimeField(null=True)
    failure = models.TextField(null=True)

    class Meta:
        db_table = "incoming_batches"
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(
                fields=["signal", "service", "scope", "number"],
                include=["size"],
                condition=Q(done_at__isnull=True),
                name="idx_incoming_waiting",
            ),
            models.Index(fields=["done_at"], condition=Q(done_at__isnull=False), name="idx_incoming_done"),
        ]

    def __str__(self) -> str:
        return f"{self.items} {self.signal} of {self.service} {self.scope}"


class DetectorStream(models.Model):
    """The detector's state of one stream, written in the transaction that stores what it found.

    ``state`` is JSON, compressed by zstd. ``is_open`` is True while an episode or a trace waits for more
    records: such a stream is looked at again once it is quiet. ``heard_at`` is when its newest request came,
    ``longest_pause`` the seconds of the longest pause between two, of ``pauses``; ``reported_at`` is the last
    report about it, ``is_silent`` whether that said that it is silent.
    """

    pk = models.CompositePrimaryKey("signal", "service", "scope")
    signal = models.CharField(max_length=10)
    service = models.CharField(max_length=200)
    scope = models.CharField(max_length=200)
    state = models.BinaryField()
    is_open = models.BooleanField()
    updated_at = models.DateTimeField()
    heard_at = models.DateTimeField(null=True)
    longest_pause = models.FloatField(null=True)
    pauses = models.IntegerField(null=True)
    reported_at = models.DateTimeField(null=True)
    is_silent = models.BooleanField(null=True)

    class Meta:
        db_table = "detector_streams"
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["updated_at"], condition=Q(is_open=True), name="idx_streams_open"),
        ]

    def __str__(self) -> str:
        return f"{self.signal} of {self.service} {self.scope}"
