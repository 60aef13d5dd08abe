"""The surface for people: Django's admin as the analysts' desk.

It asks ``permissions`` who may, ``queries.filters`` what is meant and ``triage`` to decide, and shows the
result; it keeps no rule of its own.
"""

from .accounts import AccountAdmin, RoleAdmin
from .anomaly import AnomalyAdmin
from .api_tokens import ApiTokenAdmin
from .config import DetectionConfigAdmin
from .notifications.delivery_log import NotificationDeliveryAdmin
from .notifications.rule_list import NotificationRuleAdmin
from .ownership.rule_list import OwnershipRuleAdmin
from .patterns import PatternAdmin
from .read_only import (
    AuditLogAdmin,
    PerformanceMetricAdmin,
    RecentSignificantAnomalyAdmin,
    StreamStatisticsAdmin,
)
from .rules.rule_list import TriageRuleAdmin

__all__ = [
    "AccountAdmin",
    "AnomalyAdmin",
    "ApiTokenAdmin",
    "AuditLogAdmin",
    "DetectionConfigAdmin",
    "NotificationDeliveryAdmin",
    "NotificationRuleAdmin",
    "OwnershipRuleAdmin",
    "PatternAdmin",
    "PerformanceMetricAdmin",
    "RecentSignificantAnomalyAdmin",
    "RoleAdmin",
    "StreamStatisticsAdmin",
    "TriageRuleAdmin",
]
