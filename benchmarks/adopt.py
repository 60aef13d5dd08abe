"""How long adopting a golang-migrate database takes, by its number of rows: it should not depend on it.

    .venv/bin/python benchmarks/adopt.py [--rows 10000 1000000]

Three parts are told apart: the adoption itself (comparing, repairing, writing down), the checksums of every
row before and after (which --no-checksums leaves out), and the migrations that come after, whose index builds
and validation read the table beside its writers. The smallest size is the yardstick (= 1).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingest import own_database

PARTS = ("adopting", "with checksums", "migrations after it")


def main() -> None:
    """Adopt a database of each size, twice, and print seconds and ratios."""
    parser = argparse.ArgumentParser(description="Adopting at several sizes.")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    sizes = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        taken = {rows: measure(rows) for rows in sizes}
    print(f"{'rows':>12}" + "".join(f"{part:>28}" for part in PARTS))
    for rows, seconds in taken.items():
        ratios = [f"{s:.2f} s ({s / taken[sizes[0]][n]:.2f})" for n, s in enumerate(seconds)]
        print(f"{rows:>12,}" + "".join(f"{cell:>28}" for cell in ratios))


def measure(rows: int) -> tuple[float, float, float]:
    """Seconds of the three parts: without checksums, with them, and the migrations."""
    plain, after = adopted(rows, "--no-checksums")
    checked, _ = adopted(rows)
    return plain, checked, after


def adopted(rows: int, *options: str) -> tuple[float, float]:
    """Seconds until the contract's migrations are written down, and from there to the last migration."""
    import psycopg
    from django.db import connection

    from tests import golang
    from tests.processes import manage

    params = connection.get_connection_params()
    where = {key: params[key] for key in ("host", "port", "user", "password") if params.get(key)}
    name = f"driftlock_bench_adopt_{rows}"
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            with psycopg.connect(**where, dbname=name, autocommit=True) as opened:
                for statement in (golang.UUID, golang.UP, golang.ROWS.format(rows=rows), "VACUUM ANALYZE"):
                    opened.execute(statement)
            return times_of(manage("schema", "adopt", "--apply", *options, database=name))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def times_of(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """When the two lines came that end the parts."""
    started, told = time.perf_counter(), {}
    assert process.stdout is not None
    for line in process.stdout:
        told[line.split(b":")[0].strip()] = time.perf_counter() - started
    assert process.wait() == 0, process.stderr.read() if process.stderr else ""
    return told[b"written down"], told[b"migrated"] - told[b"written down"]


if __name__ == "__main__":
    main()
