"""Pull the plug, again and again, and look at what is left: ``python -m tests.torture``.

Workers decide in bulk and ingest files on a PostgreSQL server of their own, while they are killed, their
backends are terminated, the server is shut down at once, or its disk is full. Each worker keeps a ledger, on
disk, of what it set out to do and what it was told is done. After each round the database is held against the
ledgers and against its own audit log: nothing may be half done, nothing changed without a record, and nothing
lost of what a worker was told is done.
"""
