"""The tables, as docs/schema.md promises them to other programs.

Fields up to a model's ``# Ours`` are the contract; those below are nullable or have a default in the
database, so that an INSERT which knows only the contract goes on working.
"""

from .anomaly import Anomaly, newest_of_pattern
from .api_token import ApiAllowance, ApiAnswer, ApiToken, Scope
from .audit import AuditLog, AuditSeal
from .choices import OPEN, DismissalReason, Status, Stream
from .comments import LONGEST_COMMENT, Comment, Mention
from .config import DetectionConfig, override_problems
from .database_views import RecentSignificantAnomaly, StreamFigures, StreamStatistics, StreamStatisticsNow
from .incoming import DetectorStream, IncomingBatch
from .notifications import (
    MOST_DIGEST_SECONDS,
    MOST_MINUTES,
    Channel,
    Condition,
    NotificationArrival,
    NotificationDelivery,
    NotificationRule,
    NotificationSeen,
    NotificationWatch,
)
from .ownership import TEAM_SIGN, OwnershipRule, Team
from .performance import PerformanceMetric
from .rollups import (
    AnomalyHour,
    AnomalyHourDelta,
    AnomalyTotal,
    CountedPattern,
    CountedTag,
    Pattern,
    PatternDelta,
    PatternQuerySet,
    RolledUp,
    TagDelta,
    TagTotal,
)
from .rules import MOST_DAYS, RuleAction, RuleHour, TriageRule
from .triage import AnomalyViewer, BulkRow, BulkSet, ListColumns, SavedFilter, StartPage, UserPreferences

__all__ = [
    "LONGEST_COMMENT",
    "MOST_DAYS",
    "MOST_DIGEST_SECONDS",
    "MOST_MINUTES",
    "OPEN",
    "TEAM_SIGN",
    "Anomaly",
    "AnomalyHour",
    "AnomalyHourDelta",
    "AnomalyTotal",
    "AnomalyViewer",
    "ApiAllowance",
    "ApiAnswer",
    "ApiToken",
    "AuditLog",
    "AuditSeal",
    "BulkRow",
    "BulkSet",
    "Channel",
    "Comment",
    "Condition",
    "CountedPattern",
    "CountedTag",
    "DetectionConfig",
    "DetectorStream",
    "DismissalReason",
    "IncomingBatch",
    "ListColumns",
    "Mention",
    "NotificationArrival",
    "NotificationDelivery",
    "NotificationRule",
    "NotificationSeen",
    "NotificationWatch",
    "OwnershipRule",
    "Pattern",
    "PatternDelta",
    "PatternQuerySet",
    "PerformanceMetric",
    "RecentSignificantAnomaly",
    "RolledUp",
    "RuleAction",
    "RuleHour",
    "SavedFilter",
    "Scope",
    "StartPage",
    "Status",
    "Stream",
    "StreamFigures",
    "StreamStatistics",
    "StreamStatisticsNow",
    "TagDelta",
    "TagTotal",
    "Team",
    "TriageRule",
    "UserPreferences",
    "newest_of_pattern",
    "override_problems",
]
