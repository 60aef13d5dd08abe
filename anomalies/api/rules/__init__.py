"""Triage rules, by the functions of the desk's pages: read, made, renewed, stopped and undone."""
