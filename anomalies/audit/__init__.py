"""The audit log: who decided what, written by triggers in the database and by nothing here.

The rule of this folder: it gives the triggers the actor, reads what they wrote, seals it and verifies it.
"""

from .actor import Actor, acting
from .changes_since import differences, entries_since, is_made, latest, was_stored, with_last_entry
from .events import record_event
from .history import Entry, history, resource_types

__all__ = [
    "Actor",
    "Entry",
    "acting",
    "differences",
    "entries_since",
    "history",
    "is_made",
    "latest",
    "record_event",
    "resource_types",
    "was_stored",
    "with_last_entry",
]
