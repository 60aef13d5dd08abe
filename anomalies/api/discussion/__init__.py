"""Conversations about anomalies over the HTTP API."""
