"""Who decided what. The record's rows are written by triggers in the database and by nothing here.

The rule of this folder: it tells the triggers who is acting, and reads what they wrote.
"""

from .actor import Actor, acting
from .events import record_event
from .history import Entry, history, resource_types
from .since import differences, is_made, latest, since, with_last_entry

__all__ = [
    "Actor",
    "Entry",
    "acting",
    "differences",
    "history",
    "is_made",
    "latest",
    "record_event",
    "resource_types",
    "since",
    "with_last_entry",
]
