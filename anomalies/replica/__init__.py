"""Reads on a streaming replica: which requests may, how old it is, and what happens where it fails.

The alias ``replica`` in DATABASES is optional (DATABASE_REPLICA_URL); without it nothing here does anything.
A block that reads from the replica has its connection in the place of the default one, so that the ORM and
every statement written by hand go there alike, without a second code path.
"""
