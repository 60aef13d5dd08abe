"""Backup and restore of the whole database, verified against a manifest."""
