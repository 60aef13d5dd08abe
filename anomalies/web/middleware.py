"""The middleware of every request: probes, security headers, allowed methods, a limit on database work."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from psycopg.pq import TransactionStatus

from anomalies.connection_settings import Preamble, each_transaction, is_pooled, local, renew

from .error_pages import database_error_page, error_page
from .health import PROBES
from .kept_note import keep_note
from .problems import as_problem, is_error_page, is_for_programs, problem

GetResponse = Callable[[HttpRequest], HttpResponse]

HEADERS = {
    # The admin needs no inline script and no inline style, so none is allowed, ours or a visitor's.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    ),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_DEBUG_PAGES = {404, 500}
_METHODS = ("GET", "HEAD", "POST")

_WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|MERGE)\b|\s*WITH\b.*\b"
    r"(INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|(?<!FOR )UPDATE\s+(?!OF\b)\S+\s+(AS\s+)?\S*\s*SET)\b",
    re.IGNORECASE | re.DOTALL,
)
# A page reads few rows of a large table. Parallel workers take longer to start than that, and mislead the
# planner: a search at ten million rows took 480 ms with them, 115 ms without. What an index of words or tags
# finds is kept row by row in this much memory; in PostgreSQL's 4 MB it is kept by pages, all of whose rows
# are read again. PostgreSQL's random_page_cost of 4.0 is for rotating disks; it makes the planner read in
# order of time until enough words are found, which took that search 310 ms. To compile a list's statement
# (jit) takes 200 ms where PostgreSQL was built with LLVM, and its work 20 ms: the planner can't see how few
# rows are read, and expects a cost of more than the 100,000 at which it compiles.
_MEMORY = 16 * 1024 * 1024
_PLANNER = {
    "jit": "'off'",
    "max_parallel_workers_per_gather": "'0'",
    "random_page_cost": "least(current_setting('random_page_cost')::float8, 1.1)::text",
    "work_mem": f"greatest(pg_size_bytes(current_setting('work_mem')), {_MEMORY}) / 1024 || 'kB'",
}
_SET = ", ".join(
    ["SELECT set_config('statement_timeout', %s, false)"]
    + [f"set_config('{name}', {value}, false)" for name, value in _PLANNER.items()]
)
_RESET = "; ".join(f"RESET {name}" for name in ("statement_timeout", *_PLANNER))
# The server gets the remaining time again after this many seconds of work, not before every statement.
_GRAIN = 0.25


class HealthMiddleware:
    """Answers the probes; every other address goes on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return problem(405, headers={"Allow": "GET, HEAD"})
        return probe()


class HeadersMiddleware:
    """Sets HEADERS on every answer; Django's own debug pages, which have inline styles, are left out."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in _DEBUG_PAGES):
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response


class ProblemsMiddleware:
    """Turns each error page under the addresses of the HTTP API into a problem (RFC 9457).

    HEAD is handled as GET there; the server leaves out the body. A body of unknown length is refused unread.
    A view may set ``answer_headers`` on its request, which every answer to it then has.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_for_programs(request):
            return self.get_response(request)
        if request.method == "HEAD":
            request.method = "GET"
        if "Transfer-Encoding" in request.headers:
            return problem(411)
        response = self.get_response(request)
        if is_error_page(response):
            response = as_problem(response)
        for name, value in getattr(request, "answer_headers", {}).items():
            response.headers.setdefault(name, value)
        return response


class MethodsMiddleware:
    """Allows GET, HEAD and POST; any other method is 405, where Django's admin would show the page.

    Addresses of the HTTP API take the methods that they document.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in _METHODS or is_for_programs(request):
            return self.get_response(request)
        page = error_page("405.html", 405)
        page["Allow"] = ", ".join(_METHODS)
        return page


class KeptNoteMiddleware:
    """Keeps the note of a form whose sender has to log in again, instead of losing it to the redirect."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            address = response.url.partition("?")[0]
            if address == reverse("admin:login") != request.path:
                keep_note(request)
        return response


class Deadline:
    """A budget of seconds for the statements of one request, waits for locks included.

    ``committed`` becomes true when something that was written in the request is committed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self.committed = False
        self._announced: float | None = None  # how much was spent when the server got the remaining time
        self._depth = 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run one statement; an execute wrapper of Django's connection."""
        if not is_pooled(connection):
            self._announce()
        began = time.monotonic()
        try:
            result = execute(sql, params, many, context)
        finally:
            self.spent += time.monotonic() - began
            self._renew()
        if _WRITES.match(str(sql)):
            transaction.on_commit(self._has_committed)
        return result

    def preamble(self) -> Preamble:
        """The preamble that limits a transaction of a pooled connection."""
        return local({"statement_timeout": f"'{self._left}ms'", **_PLANNER})

    @property
    def _left(self) -> int:
        """Milliseconds; at least one, since 0 is no limit."""
        return max(1, round((self.seconds - self.spent) * 1000))

    def _renew(self) -> None:
        if is_pooled(connection) and self.spent - (self._announced or 0) > _GRAIN:
            renew(connection)
            self._announced = self.spent

    def _announce(self) -> None:
        # A failed transaction takes a rollback and nothing else; the statement after that announces.
        if connection.connection.info.transaction_status == TransactionStatus.INERROR:
            return
        # A setting made inside a transaction is lost when that is rolled back, so outside it is made again.
        depth = len(connection.savepoint_ids) + connection.in_atomic_block
        if self._announced is None or depth < self._depth or self.spent - self._announced > _GRAIN:
            with connection.wrap_database_errors:
                connection.connection.execute(_SET, [f"{self._left}ms"])
            self._announced, self._depth = self.spent, depth

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Inside, limit the statements of another connection, which has become the default one."""
        former = self._announced, self._depth
        self._announced, self._depth = None, 0
        try:
            with connection.execute_wrapper(self), each_transaction(connection, self.preamble):
                yield
        finally:
            self.end()
            self._announced, self._depth = former

    def restart(self) -> None:
        """Give the request the whole budget again: for one that works part by part."""
        self.spent, self._announced = 0.0, None

    def _has_committed(self) -> None:
        self.committed = True

    def end(self) -> None:
        """Reset the connection's settings."""
        if self._announced is None or connection.connection is None or is_pooled(connection):
            return
        try:
            with connection.wrap_database_errors:
                connection.connection.execute(_RESET)
        except Error:
            # A transaction that failed resets the settings at its end; any other connection is closed.
            if not connection.in_atomic_block:
                connection.close()


class DeadlineMiddleware:
    """Limits each request's work in the database to PAGE_SECONDS (0: no limit).

    Commands and migrations have no limit: it is set for the statements of a request and reset at its end, so
    a connection that is kept or pooled does not carry it on. The same holds for the planner's settings.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seconds = settings.PAGE_SECONDS
        if not seconds:
            return self.get_response(request)
        deadline = cast(Any, request).deadline = Deadline(seconds)
        try:
            with connection.execute_wrapper(deadline), each_transaction(connection, deadline.preamble):
                return self.get_response(request)
        finally:
            deadline.end()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return a page where the database refused a statement; None for other errors."""
        return database_error_page(request, exception)
