"""Patterns: their roll-up, and the rules about them: hits, what-if, proposals."""
