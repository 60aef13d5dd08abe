"""The only creator of anomalies: lines of JSON or a detector's findings → validated rows → COPY.

Whatever makes an anomaly comes through here, so that no row is in the table that was not checked, none is
there twice, and each has its entry in the audit log.
"""

from .acknowledged_events import acknowledged_of
from .finding_rows import Origin
from .findings_sink import Detection, Report
from .followed_file import Stream
from .heartbeats import DetectorState, detectors
from .identity import content_id
from .json_lines import BATCH_ROWS, Stopped, Summary, ingest
from .programmatic import RowError, store
from .validation_errors import Reject

__all__ = [
    "BATCH_ROWS",
    "Detection",
    "DetectorState",
    "Origin",
    "Reject",
    "Report",
    "RowError",
    "Stopped",
    "Stream",
    "Summary",
    "acknowledged_of",
    "content_id",
    "detectors",
    "ingest",
    "store",
]
