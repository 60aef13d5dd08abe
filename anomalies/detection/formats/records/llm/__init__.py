"""Calls of language models: what was asked and what was answered."""
