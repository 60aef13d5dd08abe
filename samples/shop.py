"""A small shop on PostgreSQL and its normal life: orders, stock, reports, a price feed, a monitor.

Every client draws from its own seeded generator, so a seed fixes what each of them does; when exactly it
happens is up to the machine, as in real life.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

Connection = psycopg.Connection[tuple[Any, ...]]
Act = Callable[[Connection, Random], None]

DATABASE = "shop"
PRODUCTS = 500
CUSTOMERS = 2_000

CREATE_PROMOTION = "CREATE TABLE promotion (product_id int PRIMARY KEY, discount numeric(4, 2) NOT NULL)"
FILL_PROMOTION = "INSERT INTO promotion SELECT n, 0.10 FROM generate_series(1, 60) n"

ROLES = (
    "CREATE ROLE shop_web LOGIN",
    "CREATE ROLE shop_worker LOGIN",
    "CREATE ROLE shop_report LOGIN",
    "CREATE ROLE shop_feed LOGIN",
    "CREATE ROLE shop_monitor LOGIN IN ROLE pg_monitor",
    "CREATE ROLE shop_admin LOGIN PASSWORD 'a-long-one-that-nobody-guesses'",
    "ALTER ROLE shop_web SET log_statement = 'mod'",
    "ALTER ROLE shop_web SET statement_timeout = '1500ms'",
    "ALTER ROLE shop_worker SET log_min_duration_statement = 0",
    "ALTER ROLE shop_report SET log_min_duration_statement = 0",
    "ALTER ROLE shop_report SET work_mem = '256kB'",  # so that an ordinary report spills to a file
    "ALTER ROLE shop_report SET temp_file_limit = '5MB'",
)

SCHEMA = (
    "CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, price numeric(8, 2) NOT NULL,"
    " stock int NOT NULL CONSTRAINT stock_not_negative CHECK (stock >= 0))",
    CREATE_PROMOTION,
    "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL,"
    " placed_at timestamptz NOT NULL DEFAULT now(), state text NOT NULL DEFAULT 'new',"
    " idempotency_key text NOT NULL CONSTRAINT orders_idempotency_key UNIQUE)",
    "CREATE INDEX orders_waiting ON orders (id) WHERE state = 'new'",
    "CREATE TABLE order_line (order_id bigint REFERENCES orders, product_id int REFERENCES product,"
    " quantity int NOT NULL CHECK (quantity > 0), PRIMARY KEY (order_id, product_id))",
    "CREATE TABLE cart (customer int PRIMARY KEY, product_id int NOT NULL, updated_at timestamptz NOT NULL)",
    f"INSERT INTO product SELECT n, 'Product ' || n, 5 + n % 90, 10000 FROM generate_series(1, {PRODUCTS}) n",
    FILL_PROMOTION,
    "INSERT INTO orders (customer, placed_at, state, idempotency_key)"
    f" SELECT 1 + n % {CUSTOMERS}, now() - n * interval '1 minute', 'shipped', md5(n::text)"
    " FROM generate_series(1, 20000) n",
    f"INSERT INTO order_line SELECT id, 1 + id * 7 % {PRODUCTS}, 1 + id % 4 FROM orders",
    "CREATE MATERIALIZED VIEW sales_by_product AS SELECT product_id, sum(quantity) AS sold"
    " FROM order_line GROUP BY product_id",
    "ALTER MATERIALIZED VIEW sales_by_product OWNER TO shop_feed",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_web, shop_worker, shop_feed",
    "GRANT MAINTAIN ON product TO shop_feed",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop_report, shop_monitor",
    "GRANT TEMPORARY ON DATABASE shop TO shop_feed",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Shop:
    """The address of the shop's database, and the random generator of the faults."""

    socket_folder: str
    superuser: str
    rng: Random

    def connect(self, user: str = "", application: str = "psql", **more: str) -> Connection:
        """A session in autocommit mode, as the superuser unless another role is named."""
        target = {"dbname": DATABASE, "user": user or self.superuser, "host": self.socket_folder, **more}
        return psycopg.connect(make_conninfo(application_name=application, **target), autocommit=True)


def create(shop: Shop) -> None:
    """Make the shop's database, roles and tables, with two weeks of orders."""
    with shop.connect(dbname="postgres") as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with shop.connect() as connection:
        for statement in (*ROLES, *SCHEMA):
            connection.execute(statement)


def browse(connection: Connection, rng: Random) -> None:
    """Look at one product."""
    connection.execute(
        "SELECT name, price * (1 - coalesce(discount, 0)) FROM product"
        " LEFT JOIN promotion ON product_id = id WHERE id = %s",
        [rng.randint(1, PRODUCTS)],
    )


def fill_cart(connection: Connection, rng: Random) -> None:
    """Put a product into a customer's cart, at the price of the day."""
    browse(connection, rng)
    connection.execute(
        "INSERT INTO cart VALUES (%s, %s, now()) ON CONFLICT (customer)"
        " DO UPDATE SET product_id = excluded.product_id, updated_at = now()",
        [rng.randint(1, CUSTOMERS), rng.randint(1, PRODUCTS)],
    )


def place_order(connection: Connection, rng: Random) -> None:
    """Order a product at the price of the day: three statements in one transaction."""
    browse(connection, rng)
    product = rng.randint(1, PRODUCTS)
    with connection.transaction():
        [order] = connection.execute(
            "INSERT INTO orders (customer, idempotency_key) VALUES (%s, %s) RETURNING id",
            [rng.randint(1, CUSTOMERS), f"{rng.getrandbits(64):016x}"],
        ).fetchone() or [0]
        connection.execute("INSERT INTO order_line VALUES (%s, %s, %s)", [order, product, rng.randint(1, 4)])
        connection.execute("UPDATE product SET stock = stock - 1 WHERE id = %s", [product])


def send_order_twice(connection: Connection, rng: Random) -> None:
    """A customer who clicks twice; the unique key refuses the second order."""
    key = f"{rng.getrandbits(64):016x}"
    for _ in range(2):
        connection.execute(
            "INSERT INTO orders (customer, idempotency_key) VALUES (%s, %s)",
            [rng.randint(1, CUSTOMERS), key],
        )


def ship_orders(connection: Connection, rng: Random) -> None:
    """Send off the oldest orders that wait."""
    connection.execute(
        "UPDATE orders SET state = 'shipped' WHERE id IN (SELECT id FROM orders WHERE state = 'new'"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)",
        [rng.randint(1, 8)],
    )


def restock(connection: Connection, rng: Random) -> None:
    """Fill up what sells."""
    connection.execute("UPDATE product SET stock = 10000 WHERE id = %s", [rng.randint(1, PRODUCTS)])


def take_delivery(connection: Connection, rng: Random) -> None:
    """Book a delivery and hold its rows for a moment: an order of the same product has to wait."""
    first = rng.randint(1, PRODUCTS - 120)
    with connection.transaction():
        connection.execute(
            "UPDATE product SET stock = stock + 10 WHERE id BETWEEN %s AND %s", [first, first + 120]
        )
        connection.execute("SELECT pg_sleep(%s)", [round(rng.uniform(0.3, 0.6), 2)])


def report_sales(connection: Connection, rng: Random) -> None:
    """The best customers of the last days."""
    connection.execute(
        "SELECT customer, count(*), sum(quantity) FROM orders JOIN order_line ON order_id = id"
        " WHERE placed_at > now() - %s * interval '1 day' GROUP BY customer ORDER BY 3 DESC LIMIT 20",
        [rng.randint(2, 14)],
    )


def report_stock(connection: Connection, rng: Random) -> None:
    """The product that runs low."""
    connection.execute(
        "SELECT id, name, stock FROM product WHERE stock < %s ORDER BY stock", [rng.randint(100, 9990)]
    )


def export_orders(connection: Connection, rng: Random) -> None:
    """All orders in an order that no index serves, so that the sort goes to a file."""
    column = rng.choice(["customer, placed_at", "idempotency_key", "placed_at DESC, customer"])
    connection.execute(f"SELECT customer, placed_at, idempotency_key FROM orders ORDER BY {column}")


def take_prices(connection: Connection, rng: Random) -> None:
    """The price feed: prices from a file, fresh totals, old carts out."""
    connection.execute("CREATE TEMPORARY TABLE price_list (id int, price numeric(8, 2))")
    with connection.cursor().copy("COPY price_list FROM STDIN") as copy:
        for product in rng.sample(range(1, PRODUCTS + 1), 60):
            copy.write_row((product, rng.randint(5, 95)))
    connection.execute("UPDATE product SET price = p.price FROM price_list p WHERE p.id = product.id")
    connection.execute("REFRESH MATERIALIZED VIEW sales_by_product")
    connection.execute("DELETE FROM cart WHERE updated_at < now() - interval '30 seconds'")
    connection.execute("ANALYZE product")


def look_after(connection: Connection, rng: Random) -> None:
    """The queries that a monitor sends every few seconds."""
    connection.execute("SELECT count(*), max(now() - xact_start) FROM pg_stat_activity")


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of client: who it is, how often it acts, for how many acts it keeps a connection."""

    application: str
    user: str
    pause: float
    lifetime: tuple[int, int]
    acts: dict[Act, float] = field(hash=False)


_WEB = Part(
    "shop-web",
    "shop_web",
    1.2,
    (4, 12),
    {browse: 0.45, fill_cart: 0.3, place_order: 0.22, send_order_twice: 0.03},
)
CAST: Sequence[Part] = (
    _WEB,
    _WEB,
    _WEB,
    Part("shop-worker", "shop_worker", 2.0, (20, 60), {ship_orders: 0.6, restock: 0.3, take_delivery: 0.1}),
    Part(
        "shop-report", "shop_report", 3.0, (3, 9), {report_sales: 0.4, report_stock: 0.4, export_orders: 0.2}
    ),
    Part("price-feed", "shop_feed", 8.0, (1, 1), {take_prices: 1.0}),
    Part("monitor", "shop_monitor", 6.0, (1, 1), {look_after: 1.0}),
)


class Client(threading.Thread):
    """Plays one part until stopped; an error ends the act, and a lost connection is opened again."""

    def __init__(self, shop: Shop, part: Part, rng: Random, leaving: threading.Event) -> None:
        super().__init__(daemon=True)
        self._shop, self._part, self._rng, self._leaving = shop, part, rng, leaving
        self._connection: Connection | None = None
        self._acts_left = 0

    def run(self) -> None:
        """Act, pause, act."""
        while not self._leaving.wait(self._part.pause * self._rng.uniform(0.5, 1.5)):
            with contextlib.suppress(psycopg.Error):
                self._act()
            if self._acts_left <= 0:
                self._close()
        self._close()

    def _act(self) -> None:
        [act] = self._rng.choices(list(self._part.acts), list(self._part.acts.values()))
        connection = self._open()
        self._acts_left -= 1
        act(connection, self._rng)

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._shop.connect(self._part.user, self._part.application)
            self._acts_left = self._rng.randint(*self._part.lifetime)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def normal_life(shop: Shop, seed: int) -> Iterator[None]:
    """The whole cast at work, for as long as the block lasts."""
    leaving = threading.Event()
    clients = [
        Client(shop, part, Random(f"{seed}/{number}/{part.application}"), leaving)
        for number, part in enumerate(CAST)
    ]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        leaving.set()
        for client in clients:
            client.join(timeout=30)
