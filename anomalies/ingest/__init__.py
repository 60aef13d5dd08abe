"""The only creator of anomalies: lines of JSON or a detector's findings → validated rows → COPY.

Whatever makes an anomaly comes through here, so that no row is in the table that was not checked, none is
there twice, and each has its entry in the audit log.
"""

from .detecting import Detection, Report
from .findings import Origin
from .identity import content_id
from .learning import acknowledged_of
from .refusals import Reject
from .run import BATCH_ROWS, Stopped, Summary, ingest
from .store import RowError, store
from .streaming import Stream

__all__ = [
    "BATCH_ROWS",
    "Detection",
    "Origin",
    "Reject",
    "Report",
    "RowError",
    "Stopped",
    "Stream",
    "Summary",
    "acknowledged_of",
    "content_id",
    "ingest",
    "store",
]
