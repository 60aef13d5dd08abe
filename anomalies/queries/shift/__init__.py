"""A shift's work for its lead: decisions, contradictions, agreement, backlog and time to decision."""
