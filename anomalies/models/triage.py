"""The tables behind the desk: saved filters and start pages, and frozen selections of anomalies."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from anomalies.fields import (
    Now,
    RandomUUID,
)


class SavedFilter(models.Model):
    """A filter of the list under a name: its owner's, or for everybody."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=80)
    query = models.TextField()
    shared = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "saved_filters"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_filters_owner_name")
        ]

    def __str__(self) -> str:
        return self.name


class StartPage(models.Model):
    """The saved filter that somebody begins with."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="start_page"
    )
    filter = models.ForeignKey(SavedFilter, models.CASCADE, related_name="+")

    class Meta:
        db_table = "start_pages"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {self.filter}"


class ListColumns(models.Model):
    """The columns of the list that somebody chose."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="list_columns"
    )
    columns = ArrayField(models.CharField(max_length=40), size=20)

    class Meta:
        db_table = "list_columns"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.columns)}"


class UserPreferences(models.Model):
    """The language, time zone and date format that somebody chose; '' is the browser's, or the desk's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="preferences"
    )
    language = models.CharField(max_length=20, blank=True, db_default="")
    zone = models.CharField(max_length=64, blank=True, db_default="")
    formats = models.CharField(max_length=20, db_default="iso")  # a constant of languages.formats

    class Meta:
        db_table = "user_preferences"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {self.language} {self.zone} {self.formats}"


class AnomalyViewer(models.Model):
    """Somebody who has the page of an anomaly open; a row lasts a minute (``triage.viewers``)."""

    pk = models.CompositePrimaryKey("anomaly_id", "username")
    anomaly_id = models.UUIDField()
    username = models.CharField(max_length=255)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "anomaly_viewers"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["seen_at"], name="idx_anomaly_viewers_seen_at")]

    def __str__(self) -> str:
        return f"{self.username} at {self.anomaly_id}"


class BulkSet(models.Model):
    """A decision about many, and how far it is; ``triage.frozen_selection`` makes and runs it."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)  # the decision's batch
    created_at = models.DateTimeField(db_default=Now())
    owner = models.CharField(max_length=255)
    action = models.CharField(max_length=50)
    words = models.TextField()  # the filter, as people say it
    query = models.TextField(db_default="")  # and as the list's address has it
    rows = models.IntegerField(db_default=0)
    is_capped = models.BooleanField(db_default=False)  # whether more match than are in it
    reason = models.CharField(max_length=20, null=True, blank=True)
    note = models.TextField(db_default="")
    started_at = models.DateTimeField(null=True, blank=True)
    done_to = models.IntegerField(db_default=0)  # the position up to which it is done
    decided = models.IntegerField(db_default=0)

    class Meta:
        db_table = "bulk_sets"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idx_bulk_sets_created_at")]

    def __str__(self) -> str:
        return f"{self.action} {self.words}"


class BulkRow(models.Model):
    """An anomaly of such a set, with the version at which it was shown. Positions begin at 1."""

    pk = models.CompositePrimaryKey("set_id", "position")
    set_id = models.UUIDField()
    position = models.IntegerField()
    anomaly_id = models.UUIDField()
    version = models.BigIntegerField()

    class Meta:
        db_table = "bulk_rows"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.anomaly_id)
