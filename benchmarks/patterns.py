"""The cost of the pages about patterns at two sizes of the table.

    .venv/bin/python benchmarks/patterns.py [--rows 10000 1000000] [--rounds 15]

The anomalies have up to 10,000 patterns, few of which are frequent: the share of pattern n falls as 1 / n.
Each page is asked for through Django's test client by a superuser, in one process; the fastest of the rounds,
since others use the machine.
Printed are milliseconds, the larger size against the smaller one, the number of queries (with the BEGIN and
COMMIT of the folding), and beside them the target and whether it was reached. Last is the preview of a
decision about the most frequent pattern, which reads all of its open anomalies. Runs as
benchmarks/ingest.py does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from desk import desk
from ingest import own_database
from verdict import verdict

LIST, PATTERNS = "/admin/anomalies/anomaly/", "/admin/anomalies/pattern/"
AT_ONCE = 250_000  # rows in a statement, whose triggers keep them all until its end
# The pattern's number is written in letters: digits are masked.
FILL = """
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, metadata, dismissed_by, dismissed_at,
        dismissal_reason)
    SELECT timestamptz '2026-11-01' - n * interval '1 minute', 'logs', share, 0.01,
           CASE WHEN n %% 3 = 0 THEN 'dismissed' ELSE 'pending' END,
           'task ' || translate(floor(10000 ^ share)::text, '0123456789', 'klmnopqrst') || ' lost ' || n,
           0.2, 0.5, 0.3, 0.99, jsonb_build_object('service', 'pay', 'host', 'web' || n %% 9),
           CASE WHEN n %% 3 = 0 THEN 'ana' END, CASE WHEN n %% 3 = 0 THEN now() END,
           CASE WHEN n %% 3 = 0 THEN 'other' END
    FROM (SELECT n, (hashint4(n)::bigint + 2147483648) / 4294967296.0 AS share
          FROM generate_series(%s, %s) AS n) AS numbers
"""
PAGES = {
    "page 1": PATTERNS,
    "undecided": f"{PATTERNS}?open=yes",
    "by last seen": f"{PATTERNS}?o=-7",
    "search": f"{PATTERNS}?q=task+l",
    "page 10": f"{PATTERNS}?p=10",
    "anomalies of a frequent one": f"{LIST}?pattern={{frequent}}",
    "pending of a frequent one": f"{LIST}?pattern={{frequent}}&status=pending",
    "anomalies of a rare one": f"{LIST}?pattern={{rare}}",
}
MOST, QUERIES = 1.3, 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        client, taken, filled = desk(), {}, 0
        for rows in given.rows:
            fill(filled + 1, rows)
            filled = rows
            keys = examples()
            taken[rows] = {
                name: measure(client, address.format(**keys), given.rounds) for name, address in PAGES.items()
            }
        report(given.rows, taken)
        previewed(client, keys["frequent"])


def fill(first: int, last: int) -> None:
    """Rows from one number to another, as autovacuum and a fold would leave them."""
    from django.db import connection

    from anomalies.queries.hourly_rollup import fold

    with connection.cursor() as cursor:
        for start in range(first, last + 1, AT_ONCE):
            cursor.execute(FILL, [start, min(start + AT_ONCE - 1, last)])
            fold()
        cursor.execute("VACUUM ANALYZE anomalies, anomaly_patterns, anomaly_pattern_deltas")
        cursor.execute("VACUUM ANALYZE anomaly_hour_deltas, anomaly_tag_deltas")
        cursor.execute("CHECKPOINT")


def examples() -> dict[str, str]:
    """The keys of the most frequent pattern and of one with few anomalies; prints how many there are."""
    from anomalies.models import Pattern

    ordered = Pattern.objects.order_by("-pending", "key")
    print(f"{ordered.count():,} patterns, the most frequent with {ordered[0].pending:,} pending anomalies")
    rare = ordered.filter(pending__gt=0).reverse()[0]
    return {"frequent": str(ordered[0].key), "rare": str(rare.key)}


def measure(client: Any, address: str, rounds: int) -> tuple[float, int]:
    """The fastest of so many answers in milliseconds, and the number of queries of one."""
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    assert answer.status_code == 200, address
    count, taken = len(queries), []
    reset_queries()
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address)
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken), count


def report(sizes: list[int], taken: dict[int, dict[str, tuple[float, int]]]) -> None:
    small, large = sizes
    print(f"{'':28}{small:>12,}{large:>12,}{'growth':>11}{'queries':>11}  target")
    for name in PAGES:
        (before, _), (after, queries) = taken[small][name], taken[large][name]
        growth = after / before
        line = f"{name:28}{before:>9.1f} ms{after:>9.1f} ms{growth:>11.2f}{queries:>11}"
        print(f"{line}  growth {verdict(growth, most=MOST)}, queries {verdict(queries, most=QUERIES)}")


def previewed(client: Any, key: str) -> None:
    """Print the time from a pattern's button to its preview."""
    began = time.perf_counter()
    answer = client.post(f"{PATTERNS}{key}/decide/", {"action": "dismiss"}, follow=True)
    taken = time.perf_counter() - began
    print(f"preview of the most frequent pattern: {taken:.2f} s, status {answer.status_code}")


if __name__ == "__main__":
    main()
