"""The migrated database of the tests, kept as a copy, and put back where tests have emptied it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql


@pytest.fixture(scope="session", autouse=True)
def pristine(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A copy of the database as the migrations leave it."""
    with django_db_blocker.unblock():
        connection.close()
        _copy(name_of_database(), _name_of_copy())
    yield
    with _server() as server:
        server.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", _name_of_copy()))


def put_back() -> None:
    """Make the database of the tests as the migrations leave it, whoever is connected to it."""
    _copy(_name_of_copy(), name_of_database())


def name_of_database() -> str:
    """The name of the database of the tests."""
    return str(connection.settings_dict["NAME"])


def _name_of_copy() -> str:
    return name_of_database() + "_pristine"


def _copy(name: str, copy: str) -> None:
    with _server() as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        server.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", copy))
        server.execute(_statement("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", copy, name))


def _server() -> psycopg.Connection[tuple[object, ...]]:
    given = connection.get_connection_params()
    where = {key: given[key] for key in ("host", "port", "user", "password") if given.get(key)}
    return psycopg.connect(**where, dbname="postgres", autocommit=True)


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))
