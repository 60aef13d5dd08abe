"""Databases of a test's own, on the server of the tests, as other programs see them: through psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

_NUMBERS = count(1)


def connect(name: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
    """A connection to a database of the test's server, in autocommit."""
    given = connection.get_connection_params()
    where = {key: given[key] for key in ("host", "port", "user", "password") if given.get(key)}
    return psycopg.connect(**where, dbname=name, autocommit=True, **options)


@contextmanager
def database(template: str = "template0") -> Iterator[str]:
    """The name of a database of this block; a copy of ``template``, which nobody may be using."""
    name = f"test_driftlock_{connection.settings_dict['NAME']}_{next(_NUMBERS)}"[-63:]
    with connect() as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))
