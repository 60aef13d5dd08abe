"""Reads about one person's work, for the start page."""
