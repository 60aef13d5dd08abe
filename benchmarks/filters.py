"""The cost of the list under each filter and each pair of filters, over three vocabularies and two sizes.

    .venv/bin/python benchmarks/filters.py [--rows 10000 1000000] [--rounds 3] [--vocabularies kind …]

A page's time must not depend on how rare a word is, which the planner can't know. So explanations are
written in a kind vocabulary (a few words that all rows share), a templated one (a number of a hundred in
each) and one in which each row also has a word of its own. Over each of them the list is asked for under
every filter and every pair of filters that the desk offers, through Django's test client, by a superuser,
one process; the fastest of the rounds, since others use the machine, and what is above a limit again.
Measured is the processor time of this process and of its connection's server process; the time by the
clock where the server is on another machine. Printed are the worst growth from the smaller size to the
larger, the worst page against page 1, and how many answers were no page but a 503. Runs as
benchmarks/ingest.py does: on the embedded server, or with DATABASE_URL on another version.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ingest import own_database
from verdict import verdict

LIST = "/admin/anomalies/anomaly/"
WORDS = {
    "kind": "'checkout timeout on shard differs'",
    "templated": "'checkout differs: timeout on shard ' || n %% 101",
    "one in a million": "'window ' || n || ' of checkout differs: timeout on shard ' || n %% 101",
}
FILL = """
    INSERT INTO anomalies (
        timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation, compression_baseline,
        compression_window, compression_combined, confidence_level, is_statistically_significant, window_data,
        metadata, tags, assigned_to, snoozed_at)
    SELECT timestamptz '2026-11-01' - n * interval '9 seconds',
           (ARRAY['logs', 'metrics', 'traces', 'llm'])[1 + n %% 4], n %% 997 / 997.0, n %% 399 / 400.0,
           (ARRAY['pending', 'pending', 'pending', 'acknowledged', 'dismissed', 'dismissed', 'dismissed',
                  'investigating'])[1 + n * 7 %% 8],
           {words}, .2, .4, .3, .97, n %% 3 = 0, jsonb_build_object('lines', repeat(md5(n::text), 20)),
           jsonb_build_object('host', 'h' || n %% 57, 'review', n %% 5 = 0), ARRAY['t' || n %% 20],
           (ARRAY['ana', 'bo', NULL, NULL])[1 + n %% 4], CASE WHEN n %% 50 = 0 THEN now() END
    FROM generate_series(%s, %s) AS n
"""
# Values of each filter: those of a search are frequent, of one row, of none, and all but a word.
VALUES = {
    "q": ("shard", "7777", "zzyzx", "shard zz", "-checkout"),
    "status": ("pending",),
    "stream": ("llm",),
    "significant": ("true",),
    "review": ("true",),
    "within": ("30d",),
    "since": ("2026-10-31T23:00:00Z",),
    "until": ("2026-10-31T12:00:00Z",),
    "ncd_min": ("0.99",),
    "ncd_max": ("0.01",),
    "p_min": ("0.99",),
    "p_max": ("0.01",),
    "tags_any": ("t3", "zzz"),
    "tags_all": ("t3,t4",),
    "tags_none": ("t3",),
    "host": ("h3", "nowhere"),
    "service": ("nowhere",),
    "config": ("1",),
    "dismissal_reason": ("duplicate",),
    "metadata": ("host=h3",),
    "assigned": ("ana",),
    "snoozed": ("yes",),
    "source": ("h3", "nowhere"),
    "pattern": ("that of the newest row", "00000000-0000-0000-0000-000000000000"),
}
GROWTH, TO_PAGE_1 = 1.5, 2.0
REPEATS = 10  # rounds over what is above a limit
SHOWN = 5  # the worst pages that are named


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vocabularies", nargs="+", choices=WORDS, default=list(WORDS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        client, version = desk()
        for vocabulary in given.vocabularies:
            small = measured(client, vocabulary, given.rows[0], given.rounds)
            large = measured(client, vocabulary, given.rows[1], given.rounds, small)
            report(f"PostgreSQL {version}, {vocabulary}", given.rows, small, large)


def desk() -> tuple[Any, str]:
    """A superuser's client, and the server's version."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("ana"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('driftlock.requires_actor', 'off', false)")
        cursor.execute("SHOW server_version")
        return client, cursor.fetchone()[0].split(".")[0]


def queries() -> Iterator[str]:
    """Page 1, each value of each filter, and each pair of values of two filters."""
    from anomalies.queries.filters import AnomalyFilter

    missing = set(AnomalyFilter.base_filters) ^ set(VALUES)
    if missing:
        raise SystemExit(f"VALUES and the desk's filters differ: {', '.join(sorted(missing))}")
    chosen = VALUES | {"pattern": (newest_pattern(), *VALUES["pattern"][1:])}
    asked = [(name, value) for name, values in chosen.items() for value in values]
    yield ""
    yield from (urlencode([each]) for each in asked)
    yield from (urlencode(pair) for pair in combinations(asked, 2) if pair[0][0] != pair[1][0])


def newest_pattern() -> str:
    """The key of the newest row's pattern, the same at each size of a vocabulary."""
    from anomalies.models import Anomaly

    return str(Anomaly.objects.order_by("-timestamp").values_list("pattern", flat=True)[0])


def measured(
    client: Any, vocabulary: str, rows: int, rounds: int, small: dict[str, float] | None = None
) -> dict[str, float]:
    """Milliseconds by query, over so many rows of a vocabulary; infinite where the answer was no page.

    Other work on the machine only ever adds time. So what is above a limit (of the smaller size: above
    page 1) is asked for again, in rounds over all that are, until it falls below or REPEATS are over.
    """
    fill(vocabulary, rows)
    taken = {query: fastest(client, f"{LIST}?{query}", rounds) for query in queries()}
    for _ in range(REPEATS):
        for query, before in taken.items():
            limit = taken[""] if small is None else min(GROWTH * small[query], TO_PAGE_1 * taken[""])
            if query == "" or limit < before < float("inf"):
                taken[query] = min(before, fastest(client, f"{LIST}?{query}", 1))
    return taken


def fill(vocabulary: str, rows: int) -> None:
    """Only rows of this vocabulary, as autovacuum and a fold leave them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE anomalies")
        for first in range(1, rows + 1, 250_000):
            cursor.execute(FILL.format(words=WORDS[vocabulary]), [first, min(first + 249_999, rows)])
            cursor.execute("SELECT fold_anomaly_hours(), fold_anomaly_tags(), fold_anomaly_patterns()")
        cursor.execute("VACUUM ANALYZE anomalies")
        cursor.execute("VACUUM ANALYZE anomaly_hour_deltas, anomaly_tag_deltas")
        cursor.execute("CHECKPOINT")


def fastest(client: Any, path: str, rounds: int) -> float:
    """Milliseconds of the fastest of so many answers; infinite where one was no page."""
    if client.get(path).status_code != 200:
        return float("inf")
    taken = []
    for _ in range(rounds):
        began = now()
        client.get(path)
        taken.append(1000 * (now() - began))
    return min(taken)


def now() -> float:
    """Seconds of processor time of this process and the server's; by the clock for a server elsewhere."""
    process = server()
    if process is None:
        return time.perf_counter()
    # Nanoseconds on a processor: see the kernel's documentation of schedstats.
    return time.process_time() + int((process / "schedstat").read_text().split()[0]) / 1e9


def server() -> Path | None:
    """The server process of this connection, if it is on this machine."""
    from django.db import connection

    process = Path(f"/proc/{connection.connection.info.backend_pid}")
    try:
        is_here = (process / "cmdline").read_bytes().startswith(b"postgres:")
        return process if is_here and (process / "schedstat").exists() else None
    except OSError:
        return None


def report(head: str, rows: list[int], small: dict[str, float], large: dict[str, float]) -> None:
    """The worst of all pages, and each of the worst with its figures."""
    first = large[""]
    growth = {query: large[query] / small[query] for query in large}
    failed = sum(value == float("inf") for value in large.values())
    over = {query: value / first for query, value in large.items()}
    print(f"{head}: {len(large)} lists of {rows[0]:,} and {rows[1]:,} rows, page 1 {first:.0f} ms")
    print(f"  {'by the clock' if server() is None else 'processor time'}")
    worst, farthest = max(growth.values()), max(over.values())
    print(f"  worst growth {worst:.2f}  {verdict(worst, most=GROWTH)}")
    print(f"  worst page against page 1 {farthest:.2f}  {verdict(farthest, most=TO_PAGE_1)}")
    print(f"  no page {failed}  {verdict(failed, most=0)}")
    shown = [query for by in (over, growth) for query in sorted(by, key=lambda query: -by[query])[:SHOWN]]
    for query in dict.fromkeys(shown):
        figures = f"{small[query]:8.1f} ms {large[query]:8.1f} ms"
        print(f"    {figures}  growth {growth[query]:.2f}, to page 1 {over[query]:.2f}: {query or 'page 1'}")


if __name__ == "__main__":
    main()
