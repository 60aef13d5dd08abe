"""Notifications: rules, the digests that collect what they are about, and the outbox that sends digests.

Data flows one way: arrivals (a trigger writes them) → ``collecting`` → open digests → ``sender`` → a channel.
"""
