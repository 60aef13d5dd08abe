"""Who decided what. The record's rows are written by triggers in the database and by nothing here.

The rule of this folder: it tells the triggers who is acting, and reads what they wrote.
"""

from .actor import Actor, acting
from .events import record_event
from .history import Entry, history

__all__ = ["Actor", "Entry", "acting", "history", "record_event"]
