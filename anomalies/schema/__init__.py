"""The schema's life: what the catalog holds and should hold, adopting, backing up, restoring.

The rule of this folder: it reads and mends tables as tables, through the catalog and SQL; it knows no
anomaly's meaning and decides nothing.
"""
