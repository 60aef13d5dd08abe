"""A database backend that brings its own PostgreSQL 18 and starts it on the first connection.

The rule of this folder: nothing here knows Driftlock. ``server`` runs one cluster for many processes,
``identity`` decides which operating-system user may run it, ``base`` is what Django's ``ENGINE`` names.
Importing any of them starts nothing and touches no file.
"""
