"""How long the database may work for one request, and the page that says it was too long.

Commands and migrations are not bound: the limit is set for the statements of a request and taken back
at its end, so a connection that is kept or pooled carries it nowhere. So is how they are planned.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse

from .error_pages import database_error_page

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|WITH)\b", re.IGNORECASE)
# A page reads few rows of a large table. Parallel workers take longer to start than that, and make the
# planner hope: a search at ten million rows took 480 ms with them, 115 without. What an index of words or
# tags finds is kept row by row in this much memory; in PostgreSQL's 4 MB by pages, all of whose rows are
# looked at again. To fetch those costs little more than rows that lie together: PostgreSQL's 4.0 is for disks
# that turn, and lets it read by time until enough words were found, which took that search 310 ms.
_MEMORY = 16 * 1024 * 1024
_PLANNED = {
    "max_parallel_workers_per_gather": "'0'",
    "random_page_cost": "least(current_setting('random_page_cost')::float8, 1.1)::text",
    "work_mem": f"greatest(pg_size_bytes(current_setting('work_mem')), {_MEMORY}) / 1024 || 'kB'",
}
_SET = ", ".join(
    ["SELECT set_config('statement_timeout', %s, false)"]
    + [f"set_config('{name}', {value}, false)" for name, value in _PLANNED.items()]
)
_RESET = "; ".join(f"RESET {name}" for name in ("statement_timeout", *_PLANNED))
# The limit is told to the server again after so many seconds of work, not before every statement.
_GRAIN = 0.25


class Deadline:
    """A budget of seconds for the statements of one request, waits for locks included.

    ``committed`` is whether something was written and committed meanwhile.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self.committed = False
        self._told: float | None = None  # how much was spent when the server was told last
        self._depth = 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """An execute wrapper of Django's connection."""
        self._tell()
        began = time.monotonic()
        try:
            result = execute(sql, params, many, context)
        finally:
            self.spent += time.monotonic() - began
        if _WRITES.match(str(sql)):
            transaction.on_commit(self._has_committed)
        return result

    def _tell(self) -> None:
        # What is set inside a transaction goes when that is rolled back, so outside it is set again.
        depth = len(connection.savepoint_ids) + connection.in_atomic_block
        if self._told is None or depth < self._depth or self.spent - self._told > _GRAIN:
            left = max(1, round((self.seconds - self.spent) * 1000))
            with connection.wrap_database_errors:
                connection.connection.execute(_SET, [f"{left}ms"])
            self._told, self._depth = self.spent, depth

    def _has_committed(self) -> None:
        self.committed = True

    def end(self) -> None:
        """Give the connection back as it was."""
        if self._told is None or connection.connection is None:
            return
        try:
            with connection.wrap_database_errors:
                connection.connection.execute(_RESET)
        except Error:
            # A transaction that failed takes the setting back at its end; any other connection is given up.
            if not connection.in_atomic_block:
                connection.close()


class DeadlineMiddleware:
    """Limits each request's work in the database to PAGE_SECONDS (0: no limit)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seconds = settings.PAGE_SECONDS
        if not seconds:
            return self.get_response(request)
        deadline = request.deadline = Deadline(seconds)  # type: ignore[attr-defined]
        try:
            with connection.execute_wrapper(deadline):
                return self.get_response(request)
        finally:
            deadline.end()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Where the database refused, a page that says so; other errors go their way."""
        return database_error_page(request, exception)
