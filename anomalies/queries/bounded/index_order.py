"""Reads in the order of an index, whatever the planner estimates for the conditions.

A statement with an ORDER BY then reads along an index that has this order. With a LIMIT it reads no more
entries than that, also of a range that the planner takes for a small one and would sort.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

_OFF = ("enable_sort", "enable_incremental_sort", "enable_bitmapscan", "enable_seqscan", "jit")
_SET = ", ".join(f"set_config('{name}', 'off', true)" for name in _OFF)


def read_in_index_order() -> None:
    """Set it for the rest of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_SET}")


@contextmanager
def index_order() -> Iterator[None]:
    """Set it for a block that only reads: a transaction that is rolled back, which ends the settings too."""
    with transaction.atomic():
        read_in_index_order()
        yield
        transaction.set_rollback(True)
