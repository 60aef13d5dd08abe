"""Patterns: their roll-up, their list, and what was decided about one."""
