"""Managing the schema: migrating, comparing, adopting, backing up and restoring a database.

The modules here read and repair tables through the catalog and SQL; they know nothing of the meaning of an
anomaly and make no decision about one.
"""
