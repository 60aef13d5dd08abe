"""The cost of the desk's pages at two sizes of the table, with a stock ModelAdmin as the yardstick.

    .venv/bin/python benchmarks/desk.py [--rows 10000 1000000] [--rounds 15]

Each page is asked for through Django's test client by a superuser, in one process on a server of its own;
medians of the rounds. The stock admin has list_filter, date_hierarchy and search_fields over the same
table, and the page size that Django gives it: 100 rows, where the desk shows 50 lines. Printed are
milliseconds, the larger size against the smaller one, each page against the first one, and beside them the
target and whether it was reached. Rows take about 1.6 KB as stored; each filter fills a page at both
sizes, but for the search, which is compared with the first page. Runs as benchmarks/ingest.py does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ingest import own_database
from verdict import verdict

LIST = "/admin/anomalies/anomaly/"
STOCK = "/stock/anomalies/stockanomaly/"
SLOW = 30.0  # seconds after which a page of the stock admin is given up

# Some hundred windows, which the rows share: to make new ones for each takes longer than all else.
EVIDENCE = """
    CREATE TEMP TABLE IF NOT EXISTS evidence AS
    SELECT kind, jsonb_agg(jsonb_build_object(
               'line', line, 'text', 'session ' || md5(kind || '-' || line) || ' of user ' || kind * 7 %% 61
               || ' waits for lock ' || line * kind || ' on relation orders', 'odd', line = 3))
               FILTER (WHERE line <= 12) AS baseline,
           jsonb_agg(jsonb_build_object(
               'line', line, 'text', 'session ' || md5(kind || '+' || line) || ' of user ' || kind * 7 %% 61
               || ' released lock ' || line * kind || ' on relation orders', 'odd', line = 15, 'bits', 2.5))
               FILTER (WHERE line > 12) AS found
    FROM generate_series(0, %s) AS kind, generate_series(1, 20) AS line GROUP BY kind
"""
KINDS = 499
AT_ONCE = 1_000_000  # rows in a statement, whose triggers keep them all until its end
FILL = """
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, is_statistically_significant,
        metadata, tags, baseline_data, window_data, dismissed_by, dismissed_at, dismissal_reason)
    SELECT timestamptz '2026-11-01' - n * interval '10 minutes',
           CASE WHEN n %% 50 = 0 THEN 'llm' WHEN n %% 10 = 0 THEN 'metrics' ELSE 'logs' END,
           share, CASE WHEN n %% 2 = 0 THEN 0.002 ELSE 1 - share END,
           CASE WHEN n %% 100 = 0 THEN 'investigating' WHEN n %% 3 = 0 THEN 'dismissed' ELSE 'pending' END,
           'line ' || n || ' of process ' || n %% 997 || ' is new', 0.2, 0.5, 0.3, share, n %% 4 = 0,
           jsonb_build_object('host', 'db' || n %% 499), ARRAY['tag' || n %% 97, 'all'], baseline, found,
           CASE WHEN n %% 3 = 0 AND n %% 100 > 0 THEN 'ana' END,
           CASE WHEN n %% 3 = 0 AND n %% 100 > 0 THEN now() END,
           CASE WHEN n %% 3 = 0 AND n %% 100 > 0 THEN 'other' END
    FROM (SELECT n, (hashint4(n)::bigint + 2147483648) / 4294967296.0 AS share
          FROM generate_series(%s, %s) AS n) AS numbers
    JOIN evidence ON kind = n %% (%s + 1)
"""
PAGES = {
    "page 1": "",
    "status": "?status=pending",
    "a rare status": "?status=investigating",
    "stream": "?stream=llm",
    "significant": "?significant=true",
    "a month": "?since=2026-09-01T00:00:00&until=2026-10-01T00:00:00",
    "NCD at least": "?ncd_min=0.99",
    "a tag": "?tags_any=tag7",
    "by NCD": "?o=-4",
    "by p": "?o=5",
    "by time, oldest first": "?o=2",
    "search, hit": "?q=process+511",
    "search, no hit": "?q=nowhere",
    "three fields": "?status=pending&stream=logs&significant=true",
    "last page": "?end=1",
    "page 1,000": None,  # where it begins depends on the table
}
STOCK_PAGES = {
    "page 1": "",
    "status": "?status__exact=pending",
    "by NCD": "?o=-5",
    "search, hit": "?q=process+511",
    "search, no hit": "?q=nowhere",
}
# What is aimed at: which figure of a page, and the most (of "faster" the least) that it may be.
ONE_COLUMN = ("status", "a rare status", "stream", "significant", "a month", "NCD at least", "a tag")
ORDERS = ("by NCD", "by p", "by time, oldest first", "last page")
FLAT = {"growth": 1.3, "queries": 6.0}
TARGETS: dict[str, dict[str, float]] = {
    **dict.fromkeys((*ONE_COLUMN, *ORDERS), FLAT),
    "page 1": FLAT,
    "search, hit": {"to page 1": 2.0, "queries": 6.0},
    "search, no hit": {"to page 1": 2.0, "queries": 6.0},
    "three fields": {"to page 1": 3.0, "queries": 6.0},
    "page 1,000": {"to page 1": 1.3, "queries": 6.0},
}
EVIDENCE_TARGETS = {"ms": 300.0, "queries": 8.0}
FASTER_AT = {1_000_000: 8.0, 10_000_000: 80.0}  # than the stock admin, from that size on
FASTER = ("page 1", "status")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        client = desk()
        taken, stock, evidence = {}, {}, {}
        filled = 0
        for rows in given.rows:
            fill(filled + 1, rows)
            filled = rows
            taken[rows] = {name: measure(client, LIST, path, given.rounds) for name, path in PAGES.items()}
            stock[rows] = {name: measure(client, STOCK, path, 3) for name, path in STOCK_PAGES.items()}
            evidence[rows] = measure(client, one_with_evidence(), "", given.rounds)
        report(given.rows, taken, stock, evidence)


def desk() -> Any:
    """A superuser's client; the stock admin is served beside the desk."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    settings.PAGE_SECONDS = int(SLOW)
    settings.ROOT_URLCONF = make_urls()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('driftlock.requires_actor', 'off', false)")
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("lea"))
    return client


def make_urls() -> str:
    """A URLconf with a stock ModelAdmin of the same table."""
    from types import ModuleType

    from django.contrib import admin
    from django.urls import path

    from anomalies.models import Anomaly
    from driftlock.urls import urlpatterns

    class StockAnomaly(Anomaly):  # so that the desk's templates are not taken
        class Meta:
            proxy = True
            app_label = "anomalies"

    class StockAdmin(admin.ModelAdmin):
        list_display = ("status", "timestamp", "stream_type", "p_value", "ncd_score", "glass_box_explanation")
        list_filter = ("status", "stream_type", "is_statistically_significant")
        date_hierarchy = "timestamp"
        search_fields = ("glass_box_explanation", "notes")
        ordering = ("-timestamp",)

    stock = admin.AdminSite(name="stock")
    stock.register(StockAnomaly, StockAdmin)
    module = ModuleType("benchmarked_urls")
    module.urlpatterns = [*urlpatterns, path("stock/", stock.urls)]  # type: ignore[attr-defined]
    sys.modules["benchmarked_urls"] = module
    return "benchmarked_urls"


def fill(first: int, last: int) -> None:
    """Rows from one number to another, as autovacuum and a fold would leave them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(EVIDENCE, [KINDS])
        cursor.execute("ANALYZE evidence")
        for start in range(first, last + 1, AT_ONCE):
            cursor.execute(FILL, [start, min(start + AT_ONCE - 1, last), KINDS])
            cursor.execute("SELECT fold_anomaly_hours(), fold_anomaly_tags()")
        cursor.execute("VACUUM ANALYZE anomalies")
        # What the fold took away: 25 ms a page until it is vacuumed, after a million rows at once.
        cursor.execute("VACUUM ANALYZE anomaly_hour_deltas, anomaly_tag_deltas")
        cursor.execute("CHECKPOINT")


def one_with_evidence() -> str:
    """The page of an anomaly with 2 MB of evidence."""
    from django.db import connection

    events = "(SELECT jsonb_agg(repeat(md5(i::text), 100)) FROM generate_series(1, 330) AS i)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE anomalies SET baseline_data = {events}, window_data = {events} WHERE id = ("
            "SELECT id FROM anomalies ORDER BY timestamp DESC LIMIT 1) RETURNING id"
        )
        (key,) = cursor.fetchone()
    return f"{LIST}{key}/change/"


def measure(client: Any, place: str, query: str | None, rounds: int) -> tuple[float, int]:
    """The median of so many answers in milliseconds, and the number of queries of one."""
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    path = place + (query if query is not None else page_1000(client, place))
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    count = len(queries)
    if answer.status_code != 200:
        return float("inf"), count
    reset_queries()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(path)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken), count


def page_1000(client: Any, place: str) -> str:
    """Return the query string of the thousandth page; of the middle one in a smaller table."""
    from urllib.parse import urlencode

    from anomalies.models import Anomaly
    from anomalies.queries.keyset import cursor_of

    order = ("-timestamp", "-id")
    rows = Anomaly.objects.order_by(*order).only("timestamp")
    start = min(49_949, rows.count() // 2)
    row = rows[start]
    return f"?{urlencode({'single': 1, 'after': cursor_of(row, order)})}"


def report(
    sizes: list[int],
    taken: dict[int, dict[str, tuple[float, int]]],
    stock: dict[int, dict[str, tuple[float, int]]],
    evidence: dict[int, tuple[float, int]],
) -> None:
    small, large = sizes
    first = taken[large]["page 1"][0]
    heads = ("growth", "to page 1", "queries", "stock", "faster")
    print(f"{'':24}{small:>12,}{large:>12,}" + "".join(f"{head:>11}" for head in heads) + "  target")
    for name in PAGES:
        (before, _), (after, queries) = taken[small][name], taken[large][name]
        figures = {"growth": after / before, "to page 1": after / first, "queries": float(queries)}
        cells = [f"{figures['growth']:.2f}", f"{figures['to page 1']:.2f}", f"{queries}", "", ""]
        if name in STOCK_PAGES:
            yardstick = stock[large][name][0]
            figures["faster"] = yardstick / after
            cells[3:] = [f"{yardstick:.0f} ms", f"{figures['faster']:.1f}"]
        line = f"{name:24}{before:>9.1f} ms{after:>9.1f} ms" + "".join(f"{cell:>11}" for cell in cells)
        print(line + "  " + judged(figures, targets_of(name, large)))
    after, queries = evidence[large]
    verdict = judged({"ms": after, "queries": float(queries)}, EVIDENCE_TARGETS)
    print(f"an anomaly with 2 MB of evidence: {after:.0f} ms, {queries} queries  {verdict}")


def targets_of(name: str, rows: int) -> dict[str, float]:
    """Return the targets of a page, in a table of `rows` rows."""
    faster = [least for size, least in FASTER_AT.items() if rows >= size and name in FASTER]
    return {**TARGETS[name], **({"faster": max(faster)} if faster else {})}


def judged(figures: dict[str, float], targets: dict[str, float]) -> str:
    """Each target, and whether it was reached."""
    return ", ".join(
        f"{name} {verdict(figures[name], **{'least' if name == 'faster' else 'most': target})}"
        for name, target in targets.items()
    )


if __name__ == "__main__":
    main()
