"""The tables of the audit log: its entries, which triggers write, and the seals over them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext_lazy as _

from anomalies.fields import (
    BigSerialField,
    MultirangeField,
    Now,
)
from anomalies.json_column import JSONColumn


class AuditLog(models.Model):
    """An entry: the actor, the change, the time and the address. Only triggers write it."""

    id = BigSerialField(primary_key=True)
    timestamp = models.DateTimeField(db_default=Now())
    username = models.CharField(max_length=255)
    ip_address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    action = models.CharField(max_length=50)
    resource_type = models.CharField(_("resource"), max_length=50)
    resource_id = models.UUIDField(null=True, blank=True)
    old_values = JSONColumn(null=True, blank=True)
    new_values = JSONColumn(null=True, blank=True)
    metadata = JSONColumn(null=True, blank=True, db_default={})

    class Meta:
        db_table = "audit_log"
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(fields=["-timestamp"], name="idx_audit_log_timestamp"),
            models.Index(fields=["username"], name="idx_audit_log_username"),
            models.Index(fields=["resource_type", "resource_id"], name="idx_audit_log_resource"),
            models.Index(fields=["action"], name="idx_audit_log_action"),
            # Ours. What one decision did, for its undo.
            models.Index(
                KeyTextTransform("batch", "metadata"),
                "id",
                condition=Q(resource_type="anomaly", resource_id__isnull=False),
                name="idx_audit_log_batch",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username}: {self.action} {self.resource_type}"


class AuditSeal(models.Model):
    """A signed statement about some entries of the record; ``audit.sealing`` says what is in it."""

    number = models.BigIntegerField(primary_key=True)
    made_at = models.DateTimeField()
    ids = MultirangeField()
    rows = models.BigIntegerField()
    settled = models.BigIntegerField()
    seen = models.TextField()
    digest = models.CharField(max_length=64)
    row_hashes = models.BinaryField()
    guard = models.CharField(max_length=64)
    former = models.CharField(max_length=64)
    key = models.CharField(max_length=16)
    signature = models.CharField(max_length=128)
    head = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_seals"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"seal {self.number}"
