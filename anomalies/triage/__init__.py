"""Decisions, undo, frozen selections, assignment and snooze: the only writers of an anomaly's status."""
