"""The records that came by OTLP, kept until the detector of their stream has judged them."""

from .judging import Judge, Judged, judge
from .silence import report_once
from .spool import keep, waiting_bytes

__all__ = ["Judge", "Judged", "judge", "keep", "report_once", "waiting_bytes"]
