"""Pull the plug, again and again, and look at what is left: ``python -m tests.torture``.

Workers decide in bulk and ingest files on a PostgreSQL server of their own, while they are killed, their
backends are terminated, the server is shut down at once, or its disk is full. Each worker keeps a ledger, on
disk, of the decisions that it started and of those that were confirmed. After each round the database is
compared with the ledgers and with its own audit log: nothing may be half done, nothing changed without an
entry, and no confirmed decision lost.
"""
