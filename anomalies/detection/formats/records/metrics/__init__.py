"""Measurements: records with numbers, and series with their points."""
