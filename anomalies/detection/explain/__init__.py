"""Findings to words: the sentence, the report, the nearest usual line."""
