"""The faults of the recording. Each is caused for real, by the means that a fault would use.

A fault returns the process ids of the sessions that were its own. Which entries of the log stem from it
is then a matter of two patterns: ``anywhere`` holds for an entry of any process, ``in_session`` only for
entries of those sessions. Both look at nothing but the time between the fault's beginning and its end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg
from shop import CREATE_PROMOTION, FILL_PROMOTION, PRODUCTS, Connection, Shop

_NEVER = r"(?!)"
_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: how it is caused, and how its entries are known in the log."""

    kind: str
    what: str
    cause: Callable[[Shop], set[int]]
    anywhere: str = _NEVER
    in_session: str = _NEVER


def terminate_backends(shop: Shop) -> set[int]:
    """An operator ends the reports that hang."""
    with contextlib.ExitStack() as open_sessions:
        reports = [open_sessions.enter_context(_report(shop)) for _ in range(4)]
        pids = [report.info.backend_pid for report in reports]  # unknown once the connection is lost
        hanging = _all_at_once(reports, "SELECT count(*), pg_sleep(30) FROM orders")
        time.sleep(1)
        with shop.connect() as operator:
            operator.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [pids])
        _join(hanging)
        return set(pids)


def _report(shop: Shop) -> Connection:
    return shop.connect("shop_report", "shop-report")


def _all_at_once(connections: Iterable[Connection], statement: str) -> list[threading.Thread]:
    threads = [threading.Thread(target=_attempt, args=(each, statement)) for each in connections]
    for thread in threads:
        thread.start()
    return threads


def _join(threads: Iterable[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def deadlock_twice(shop: Shop) -> set[int]:
    """Two bookings take the same two rows in opposite order; and again."""
    return _deadlock(shop) | _deadlock(shop)


def _deadlock(shop: Shop) -> set[int]:
    one, other = shop.rng.sample(range(1, PRODUCTS + 1), 2)
    with _worker(shop) as first, _worker(shop) as second:
        _begin_with(first, one)
        _begin_with(second, other)
        crossing = threading.Thread(target=_attempt, args=(first, _book(other)))
        crossing.start()
        _attempt(second, _book(one))
        crossing.join()
        return {first.info.backend_pid, second.info.backend_pid}


def _worker(shop: Shop) -> Connection:
    return shop.connect("shop_worker", "shop-worker")


def _begin_with(connection: Connection, product: int) -> None:
    connection.execute("BEGIN")
    connection.execute(_book(product))


def _book(product: int) -> str:
    return f"UPDATE product SET stock = stock + 5 WHERE id = {product}"


def fill_connection_table(shop: Shop) -> set[int]:
    """A leaking pool opens connections until the server has none left, and the shop is locked out."""
    with contextlib.ExitStack() as leaked:
        pids: set[int] = set()
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                connection = leaked.enter_context(shop.connect("shop_web", "shop-web"))
                pids.add(connection.info.backend_pid)
        _try_until(time.monotonic() + 4, lambda: shop.connect("shop_web", "shop-web").close())
    return pids


def _try_until(deadline: float, attempt: Callable[[], None]) -> None:
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error):
            attempt()
        time.sleep(0.15)


def speak_garbage(shop: Shop) -> set[int]:
    """A scanner that takes the server for something else."""
    noise = shop.rng.randbytes(40)
    for greeting in (
        b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"SSH-2.0-scanner\r\n",
        b"\x00\x00\x00\x10\x00\x09\x00\x00user\x00me\x00\x00",
        b"\x00\x00\x00\x2c" + noise,
        b"\x00\x00\x00\x02\x00\x00",
        b"*1\r\n$4\r\nPING\r\n",
    ):
        _say(shop, greeting)
        time.sleep(0.02)
    return set()


def _say(shop: Shop, greeting: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.settimeout(1)
        client.connect(f"{shop.socket_folder}/{_SOCKET_NAME}")
        client.sendall(greeting)
        client.shutdown(socket.SHUT_WR)
        client.recv(1024)


def guess_logins(shop: Shop) -> set[int]:
    """Somebody tries names, databases and passwords."""
    guesses = [{"user": name} for name in ("root", "postgres", "admin", "oracle", "test", "backup")]
    guesses += [{"user": "shop_web", "dbname": name} for name in ("production", "billing")]
    guesses += [{"user": "shop_admin", "password": word} for word in ("shop", "123456", "admin", "letmein")]
    for guess in guesses:
        with contextlib.suppress(psycopg.OperationalError):
            shop.connect(application="", **guess).close()
        time.sleep(0.02)
    return set()


def lock_orders(shop: Shop) -> set[int]:
    """Maintenance locks the orders in the middle of the day; the shop's statements time out."""
    with shop.connect() as operator, operator.transaction():
        operator.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        time.sleep(6)
        return set()


def probe_for_injection(shop: Shop) -> set[int]:
    """One visitor tries what gets through the shop's search field."""
    probes = (
        "'", "')", "' OR 1=1)--", "' UNION SELECT NULL--", "' UNION SELECT usename, passwd FROM pg_shadow--",
        "' AND 1=CAST((SELECT version()) AS int)--", "'; SELECT secret FROM users--", "' ORDER BY 9--",
        "' AND xmlexists('//a' PASSING BY REF", "\" OR \"\"=\"",
    )  # fmt: skip
    with shop.connect("shop_web", "shop-web") as connection:
        for probe in probes:
            _attempt(connection, f"SELECT id, name FROM product WHERE name = '{probe}' LIMIT 5")
            time.sleep(0.03)
        return {connection.info.backend_pid}


def fill_temporary_files(shop: Shop) -> set[int]:
    """Four dashboards run a report without a join condition: it sorts more than it may keep on disk."""
    with contextlib.ExitStack() as open_sessions:
        reports = [open_sessions.enter_context(_report(shop)) for _ in range(4)]
        for _ in range(2):
            _join(_all_at_once(reports, "SELECT * FROM orders, product ORDER BY stock, placed_at"))
        return {report.info.backend_pid for report in reports}


def import_bad_stock(shop: Shop) -> set[int]:
    """A delivery note in a wrong format: the columns have moved, and the constraints refuse row after row."""
    rows = (
        "UPDATE product SET stock = stock - 100000 WHERE id = {product}",
        "INSERT INTO order_line VALUES (1, 9{product}, 2)",
        "INSERT INTO order_line VALUES (2, {product}, 0)",
        "INSERT INTO product VALUES ({product}, NULL, 12.50, 4)",
        "UPDATE product SET price = 20261123 WHERE id = {product}",
    )
    with _worker(shop) as connection:
        for number, product in enumerate(shop.rng.sample(range(1, PRODUCTS + 1), 15)):
            _attempt(connection, rows[number % len(rows)].format(product=product))
            time.sleep(0.03)
        return {connection.info.backend_pid}


def drop_table(shop: Shop) -> set[int]:
    """A migration drops a table that the running shop still reads; it is put back a little later."""
    with shop.connect(application="migrate") as migration:
        migration.execute("DROP TABLE promotion")
        time.sleep(6)
        migration.execute(CREATE_PROMOTION)
        migration.execute(FILL_PROMOTION)
        migration.execute("GRANT SELECT ON promotion TO shop_web, shop_worker, shop_report, shop_monitor")
        return {migration.info.backend_pid}


def kill_backend(shop: Shop) -> set[int]:
    """The kernel kills one backend; the server drops them all and recovers."""
    with shop.connect() as operator:
        victim = _pid_of_a_web_session(operator)
        os.kill(victim, signal.SIGKILL)
    _wait_for_recovery(shop)
    return set()


def _pid_of_a_web_session(operator: Connection) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for [pid] in operator.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'shop-web'"):
            return int(pid)
        time.sleep(0.05)
    raise RuntimeError("the shop has no open connection to kill")


def _wait_for_recovery(shop: Shop) -> None:
    deadline = time.monotonic() + 60
    time.sleep(0.5)  # the killed process is noticed at once, but not before this one goes on
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error), shop.connect():
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not come back within a minute")


def _attempt(connection: Connection, statement: str) -> None:
    """Run a statement that is expected to fail; leave the session ready for the next."""
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement.encode())
    if not connection.closed and connection.info.transaction_status.value > 1:
        connection.execute("ROLLBACK")


_REFUSED = "remaining connection slots|too many clients"
_GARBLED = "startup packet|unsupported frontend protocol|direct SSL connection"
_RECOVERY = (
    "terminated by signal|active server processes|all server processes terminated|was interrupted"
    "|automatic recovery|redo (starts|done|is not)|invalid record length|end-of-recovery"
    "|(is|in) (recovery mode|starting up)|not yet accepting|checkpoint complete|ready to accept"
)

FAULTS = (
    Fault(
        "terminated_backends",
        "An operator ends four hanging reports with pg_terminate_backend (SIGTERM).",
        terminate_backends,
        in_session="FATAL",
    ),
    Fault(
        "deadlocks",
        "Two pairs of transactions lock the same rows in opposite order; the server ends one of each.",
        deadlock_twice,
        in_session="deadlock|still waiting|acquired",
    ),
    Fault(
        "connections_exhausted",
        "A leaking pool takes every connection slot; other clients are turned away for about 4 s.",
        fill_connection_table,
        anywhere=_REFUSED,
        in_session=".",
    ),
    Fault(
        "bad_client",
        "A scanner sends HTTP, SSH, Redis and random bytes to the server's socket.",
        speak_garbage,
        anywhere=_GARBLED,
    ),
    Fault(
        "login_guessing",
        "Somebody tries six unknown roles, two unknown databases and four wrong passwords.",
        guess_logins,
        anywhere='(role|database) "[^"]*" does not exist|authentication failed',
    ),
    Fault(
        "statement_timeouts",
        "LOCK TABLE orders is held for 6 s; the shop's statements wait and are cancelled after 1.5 s.",
        lock_orders,
        anywhere="statement timeout|Lock on relation|canceling autovacuum task",
    ),
    Fault(
        "backend_killed",
        "One backend gets SIGKILL; the server ends all the others and recovers from its log.",
        kill_backend,
        anywhere=_RECOVERY,
    ),
    Fault(
        "injection_probing",
        "One visitor sends ten SQL injection probes through the shop's search.",
        probe_for_injection,
        in_session="ERROR",
    ),
    Fault(
        "temp_file_limit",
        "Four dashboards run a report without a join condition, twice; it meets temp_file_limit.",
        fill_temporary_files,
        in_session="ERROR|temporary file",
    ),
    Fault(
        "bad_import",
        "An import with moved columns; CHECK, NOT NULL, foreign key and numeric range refuse 15 rows.",
        import_bad_stock,
        in_session="ERROR",
    ),
    Fault(
        "dropped_table",
        "A migration drops a table that the running shop reads; it is created again after 6 s.",
        drop_table,
        anywhere='relation "promotion" does not exist',
        in_session="statement: ",
    ),
)


def causes(pause: Callable[[], None]) -> Iterator[Fault]:
    """The faults in their order, with a quiet stretch before each and after the last."""
    for fault in FAULTS:
        pause()
        yield fault
    pause()
