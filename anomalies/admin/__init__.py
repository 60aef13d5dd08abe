"""The surface for people: Django's admin as the analysts' desk.

The rule of this folder: it asks ``permissions`` who may, ``filters`` what is meant, ``transitions`` to
decide, and shows; it keeps no rule of its own. One module per desk, ``presentation`` for what they share.
"""

from .accounts import AccountAdmin, RoleAdmin
from .anomaly import AnomalyAdmin
from .api_tokens import ApiTokenAdmin
from .config import DetectionConfigAdmin
from .read_only import (
    AuditLogAdmin,
    PerformanceMetricAdmin,
    RecentSignificantAnomalyAdmin,
    StreamStatisticsAdmin,
)

__all__ = [
    "AccountAdmin",
    "AnomalyAdmin",
    "ApiTokenAdmin",
    "AuditLogAdmin",
    "DetectionConfigAdmin",
    "PerformanceMetricAdmin",
    "RecentSignificantAnomalyAdmin",
    "RoleAdmin",
    "StreamStatisticsAdmin",
]
