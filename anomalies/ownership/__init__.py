"""Ownership: teams, and the rules in order that assign anomalies as they arrive.

Data flows one way: arrivals (a trigger writes them) → ``giving``, by ``rules`` → ``triage.assignment``.
"""
