"""Traces: sessions of steps, and spans that are assembled."""
