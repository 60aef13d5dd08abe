"""The time of ``schema adopt`` for few rows and for many, and the parts that depend on their number.

    .venv/bin/python benchmarks/adopt.py [--rows 10000 1000000]

Each size is adopted from a fresh copy, with and without checksums, in this one run. The time is taken apart
by what each statement does: summing up the rows, building indexes (of our migrations: 0007 adds three),
validating CHECKs, and everything else, which is work on the catalog and does not depend on the rows. Without
DATABASE_URL it runs on a server of its own in a folder of its own; with it, in databases of its own.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest import own_database

# What a statement does, by its words; the first that fits.
KINDS = {
    "checksums": re.compile(r"sha256\("),
    "indexes": re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY"),
    "validation": re.compile(r"VALIDATE CONSTRAINT"),
    "roll-ups": re.compile(r"rebuild_anomaly_"),
}


def main() -> None:
    """Adopt every size both ways and print the ratios."""
    parser = argparse.ArgumentParser(description="schema adopt of few rows and of many.")
    parser.add_argument("--rows", type=int, nargs=2, default=(10_000, 1_000_000), metavar="N")
    sizes = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        taken = {size: _measure(size) for size in sizes}
    report(taken)


def _measure(rows: int) -> dict[str, dict[str, float]]:
    """Seconds of each part, with checksums and without."""
    from tests.support.programs.golang_migrate import made_by_golang_migrate

    print(f"filling {rows:,} rows", file=sys.stderr)
    with made_by_golang_migrate(rows) as made:
        made.run("VACUUM ANALYZE anomalies")
        return {
            "with checksums": _adopt_a_copy(made.name, True),
            "--no-checksums": _adopt_a_copy(made.name, False),
        }


def _adopt_a_copy(name: str, with_checksums: bool) -> dict[str, float]:
    from django.db import connection

    from anomalies.schema.adopt import adopt
    from tests.support.programs.golang_migrate import connect

    copy = f"{name}_{secrets.token_hex(2)}"
    former = connection.settings_dict["NAME"]
    connection.close()
    with connect("postgres") as maintenance:
        maintenance.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY file_copy")
        maintenance.execute("CHECKPOINT")
        connection.settings_dict["NAME"] = copy
        stopwatch = Stopwatch()
        try:
            with connection.execute_wrapper(stopwatch):
                began = time.perf_counter()
                adopt("bench", lambda line: None, with_checksums)
                stopwatch.seconds["total"] = time.perf_counter() - began
        finally:
            connection.close()
            connection.settings_dict["NAME"] = former
            maintenance.execute(f"DROP DATABASE {copy} WITH (FORCE)")
    return stopwatch.medians()


class Stopwatch:
    """A sum of the seconds that statements of each kind take."""

    def __init__(self) -> None:
        self.seconds = {"total": 0.0, **dict.fromkeys(KINDS, 0.0)}

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else sql.as_string(None)
        kind = next((kind for kind, words in KINDS.items() if words.search(text)), None)
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            if kind:
                self.seconds[kind] += time.perf_counter() - began

    def medians(self) -> dict[str, float]:
        """The seconds by kind, and those that are left of the total."""
        parts = {kind: seconds for kind, seconds in self.seconds.items() if kind != "total"}
        return {
            **parts,
            "all else": self.seconds["total"] - sum(parts.values()),
            "total": self.seconds["total"],
        }


def report(taken: dict[int, dict[str, dict[str, float]]]) -> None:
    """Print the seconds of each part for both sizes, and their ratio."""
    few, many = taken
    print(f"{'adopt':<16}{'part':<12}{f'{few:,} rows':>16}{f'{many:,} rows':>16}{'ratio':>8}")
    for way, parts in taken[few].items():
        for part, seconds in parts.items():
            longer = taken[many][way][part]
            ratio = f"{longer / seconds:.2f}" if seconds > 0.0005 else "–"
            print(f"{way:<16}{part:<12}{seconds:>14.2f} s{longer:>14.2f} s{ratio:>8}")
    print("\n'all else' is what adopting itself does: it should not depend on the rows (a ratio near 1).")


if __name__ == "__main__":
    main()
