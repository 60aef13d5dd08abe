"""The names of columns and tables on pages, where a column has none but its own.

They are given to the models here and not in them: there each word would change the schema's state,
and so be a migration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_COLUMNS: dict[str, Any] = {
    "acknowledged_at": _("acknowledged at"),
    "acknowledged_by": _("acknowledged by"),
    "action": _("action"),
    "assigned_at": _("assigned at"),
    "assigned_by": _("assigned by"),
    "assigned_to": _("assigned to"),
    "attempts": _("attempts"),
    "baseline_entropy": _("baseline entropy"),
    "baseline_size": _("baseline size"),
    "compression_baseline": _("compression baseline"),
    "compression_combined": _("compression combined"),
    "compression_window": _("compression window"),
    "created_at": _("created at"),
    "created_by": _("created by"),
    "detailed_explanation": _("detailed explanation"),
    "dismissal_reason": _("dismissal reason"),
    "dismissed_at": _("dismissed at"),
    "dismissed_by": _("dismissed by"),
    "endpoint": _("endpoint"),
    "entropy_change": _("entropy change"),
    "error_message": _("error message"),
    "hop_size": _("hop size"),
    "investigating_at": _("investigating at"),
    "investigating_by": _("investigating by"),
    "metadata": _("metadata"),
    "metric_type": _("metric type"),
    "name": _("name"),
    "new_values": _("new values"),
    "note": _("note"),
    "notes": _("notes"),
    "novelty": _("novelty"),
    "old_values": _("old values"),
    "owner": _("owner"),
    "pattern": _("pattern"),
    "prefix": _("prefix"),
    "resource_id": _("resource id"),
    "rule": _("rule"),
    "scopes": _("scopes"),
    "snoozed_at": _("snoozed at"),
    "snoozed_by": _("snoozed by"),
    "snoozed_until": _("snoozed until"),
    "source": _("source"),
    "status": _("status"),
    "stream_overrides": _("stream overrides"),
    "success": _("success"),
    "tags": _("tags"),
    "template": _("template"),
    "timestamp": _("timestamp"),
    "total": _("total"),
    "updated_at": _("updated at"),
    "username": _("username"),
    "version": _("version"),
    "window_entropy": _("window entropy"),
    "window_size": _("window size"),
}
_TABLES: dict[str, tuple[Any, Any]] = {
    "anomaly": (_("anomaly"), _("anomalies")),
    "apitoken": (_("API token"), _("API tokens")),
    "detectionconfig": (_("detection config"), _("detection configs")),
    "notificationrule": (_("notification rule"), _("notification rules")),
    "pattern": (_("pattern"), _("patterns")),
    "performancemetric": (_("performance metric"), _("performance metrics")),
    "recentsignificantanomaly": (_("recent significant anomaly"), _("recent significant anomalies")),
    "triagerule": (_("rule"), _("rules")),
}


def give_names(tables: Iterable[type[models.Model]]) -> None:
    """Give these tables, and their columns without a name of their own, a name in the reader's language."""
    for table in tables:
        options = table._meta
        if options.model_name in _TABLES:
            options.verbose_name, options.verbose_name_plural = _TABLES[options.model_name]
        for column in options.local_fields:
            if column.name in _COLUMNS and not isinstance(column.verbose_name, Promise):
                column.verbose_name = _COLUMNS[column.name]
