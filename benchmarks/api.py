"""The HTTP API: lists at two sizes of the table, and ingest by HTTP beside the command's.

    .venv/bin/python benchmarks/api.py [--rows 10000 1000000] [--rounds 15] [--lines 10000]

The requests go through Django and all of its middleware in this process, without a socket. A list is the
median of the rounds, after one that is not counted; the yardstick is the same list of the smaller table. The
same file is ingested by the command's function and by HTTP, in turns, into an emptied table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from desk import fill  # noqa: E402
from ingest import empty, own_database, rows, run_ingest  # noqa: E402
from verdict import verdict  # noqa: E402

LISTS = {
    "newest": "",
    "pending": "?status=pending",
    "pending logs of a week": "?status=pending&stream=logs&within=7d",
    "by NCD": "?order=-ncd_score",
    "500 rows": "?limit=500",
    "of the original": "@/v1/anomalies?status=pending&limit=100",
}
FLAT = 1.3  # the larger table's time to the smaller's, at most
QUERIES = 4
RATE = 0.8  # of the command's, at least


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lines", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        client, by_size, filled = program(), {}, 0
        file = Path(folder) / "anomalies.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows(given.lines)), encoding="utf-8")
        report_rates(rates(client, file, 5), given.lines)
        empty()
        for size in given.rows:
            fill(filled + 1, size)
            filled = size
            by_size[size] = {name: measure(client, path, given.rounds) for name, path in LISTS.items()}
        report_lists(given.rows, by_size)


def program() -> Any:
    """A client with a token of a lead, without a rate limit."""
    from django.conf import settings
    from django.contrib.auth.models import Group, User
    from django.db import connection
    from django.test import Client

    from anomalies.api_tokens import make
    from anomalies.audit import Actor

    settings.ALLOWED_HOSTS, settings.API_RATE, settings.PAGE_SECONDS = ["*"], 0, 60
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('driftlock.requires_actor', 'off', false)")
    owner = User.objects.create_user("lea", is_staff=True)
    owner.groups.add(Group.objects.get(name="lead"))
    _, secret = make(owner, "benchmark", ["read", "ingest"], 1, Actor("lea"))
    return Client(headers={"Authorization": f"Bearer {secret}"})


def measure(client: Any, path: str, rounds: int) -> tuple[float, int]:
    """The median of so many answers in milliseconds, and the number of queries of one."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    address = path[1:] if path.startswith("@") else f"/api/v1/anomalies{path}"
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    count = len(queries)
    assert answer.status_code == 200, answer.content
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken), count


def report_lists(sizes: list[int], by_size: dict[int, dict[str, tuple[float, int]]]) -> None:
    """Print each list's times, their ratio and its queries."""
    small, large = sizes
    print(f"\n{'list':<26}{small:>12,}{large:>12,}{'ratio':>8}{'queries':>9}")
    for name in LISTS:
        (before, _), (after, queries) = by_size[small][name], by_size[large][name]
        targets = f"{verdict(after / before, most=FLAT)}, queries {verdict(queries, most=QUERIES)}"
        print(f"{name:<26}{before:>9.1f} ms{after:>9.1f} ms{after / before:>8.2f}{queries:>9}  {targets}")


def rates(client: Any, file: Path, rounds: int) -> dict[str, list[float]]:
    """The seconds of each way in each round; the ways take turns."""
    body, taken = file.read_bytes(), {"command": [], "HTTP": []}
    ways = {
        "command": lambda: run_ingest(file),
        "HTTP": lambda: client.post("/api/v1/ingest", body, "application/x-ndjson"),
    }
    for _ in range(rounds):
        for name, run in ways.items():
            empty()
            began = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - began)
    return taken


def report_rates(taken: dict[str, list[float]], lines: int) -> None:
    """Print the lines a second of each way, and their ratio."""
    command, http = (statistics.median(taken[name]) for name in ("command", "HTTP"))
    rate = f"ingest by HTTP: {lines / http:,.0f} lines/s, by the command {lines / command:,.0f} lines/s"
    print(f"{rate}, {command / http:.2f} of its rate {verdict(command / http, least=RATE)}")


if __name__ == "__main__":
    main()
