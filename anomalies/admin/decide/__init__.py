"""Forms and pages that change anomalies: decisions, selections, assignment, snooze, undo, the queue."""
