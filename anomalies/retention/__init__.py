"""Retention: old anomalies move from the table into archive files. The only place that deletes anomalies."""
