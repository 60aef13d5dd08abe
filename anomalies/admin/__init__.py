"""The surface for people: Django's admin as the analysts' desk.

The rule of this folder: it asks ``permissions`` who may, ``filters`` what is meant, ``transitions`` to
decide, and shows; it keeps no rule of its own. One module per desk, ``presentation`` for what they share.
"""

from django.contrib import admin

from .anomaly import AnomalyAdmin
from .config import DetectionConfigAdmin
from .people import GroupAdmin, UserAdmin
from .records import (
    AuditLogAdmin,
    PerformanceMetricAdmin,
    RecentSignificantAnomalyAdmin,
    StreamStatisticsAdmin,
)

admin.site.site_header = "Driftlock"
admin.site.site_title = "Driftlock"
admin.site.index_title = "Desk"
admin.site.enable_nav_sidebar = False

__all__ = [
    "AnomalyAdmin",
    "AuditLogAdmin",
    "DetectionConfigAdmin",
    "GroupAdmin",
    "PerformanceMetricAdmin",
    "RecentSignificantAnomalyAdmin",
    "StreamStatisticsAdmin",
    "UserAdmin",
]
