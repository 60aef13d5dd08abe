"""Metrics: a model of each series, the tails of what it shows, and the sentences for what departs."""
