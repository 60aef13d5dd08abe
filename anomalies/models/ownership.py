"""Ownership: the teams, and the rules in order that say whose an anomaly is when it arrives."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Deferrable, Q
from django.utils.translation import gettext_lazy as _

from anomalies.fields import Now, RandomUUID

# In front of the name of a team where an assignee is named; no username may begin with it.
TEAM_SIGN = "#"


class Team(models.Model):
    """A team, to which anomalies can be assigned; ``members`` are usernames.

    The name stands in ``assigned_to`` behind TEAM_SIGN, so it is never changed.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=60, unique=True)
    members = ArrayField(models.CharField(max_length=255), db_default=[], blank=True)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "teams"
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(name__regex=r"^[a-z0-9][a-z0-9-]*$"), name="teams_name_check"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def assignee(self) -> str:
        """The team as ``assigned_to`` names it."""
        return f"{TEAM_SIGN}{self.name}"


class OwnershipRule(models.Model):
    """A rule: the anomalies that match its filter are assigned as they arrive.

    The first by ``position`` wins. ``assign_to`` is a username, or a team behind TEAM_SIGN.
    ``ownership.rules`` makes and changes it.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    position = models.IntegerField()
    name = models.CharField(max_length=80)
    query = models.TextField(db_default="", blank=True)  # the filter, as the list's address has it
    assign_to = models.CharField(max_length=255)
    enabled = models.BooleanField(db_default=True)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ownership_rules"
        verbose_name = _("ownership rule")
        verbose_name_plural = _("ownership")
        default_permissions = ()
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(assign_to="") & ~Q(created_by=""),
                name="ownership_rules_named_check",
            ),
            # Checked at the end of the transaction: two rules change places.
            models.UniqueConstraint(
                fields=["position"], name="ownership_rules_position", deferrable=Deferrable.DEFERRED
            ),
        ]

    def __str__(self) -> str:
        return self.name
