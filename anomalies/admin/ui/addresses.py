"""Addresses of the desk's pages that several of them link to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse


def anomalies_of(key: Any, *statuses: str) -> str:
    """Return the address of the list of a pattern's anomalies, of these statuses or of all."""
    address = reverse("admin:anomalies_anomaly_changelist")
    return f"{address}?{urlencode({'pattern': key, 'status': statuses}, doseq=True)}"
