"""Comments about an anomaly, and the people whom they name."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from anomalies.fields import Now, RandomUUID

LONGEST_COMMENT = 10_000  # characters


class Comment(models.Model):
    """A comment by ``author``, which names the accounts in ``named`` as @username.

    It stays as it was written: a trigger refuses any change but that its author withdraws it.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    anomaly_id = models.UUIDField()
    author = models.CharField(max_length=255)
    text = models.TextField()
    named = ArrayField(models.CharField(max_length=255), default=list, db_default=[])
    created_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "anomaly_comments"
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(author="") & ~Q(text="") & Q(LessThanOrEqual(Length("text"), LONGEST_COMMENT)),
                name="anomaly_comments_text_check",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["anomaly_id", "created_at", "id"], name="idx_anomaly_comments_thread")
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"


class Mention(models.Model):
    """An account that a comment names: what the start page of that account reads.

    ``named`` of the comment is the evidence; the rows here repeat it in the order of the start page.
    """

    pk = models.CompositePrimaryKey("username", "created_at", "comment_id")
    username = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    comment_id = models.UUIDField()
    anomaly_id = models.UUIDField()

    class Meta:
        db_table = "comment_mentions"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.username} in {self.comment_id}"
