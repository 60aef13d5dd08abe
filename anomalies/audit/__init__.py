"""The audit log: who decided what, written by the database's triggers and by nothing in this folder.

The modules here pass the actor to the triggers, read the entries, seal them and verify the seals.
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
