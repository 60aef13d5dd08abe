"""Bytes to events: the kind of an input, its records, their time and text."""
