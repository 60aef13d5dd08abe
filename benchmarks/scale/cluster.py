"""The gain of detect --cluster by more workers, beside the processes of one machine.

    .venv/bin/python benchmarks/scale/cluster.py [--workers 1 2] [--sources 24] [--lines 10000]

The sources are logs of twelve systems, each with a seed of its own. A scheduler and the workers run on this
machine, as an operator starts them, and each run stores its anomalies in an empty table. Printed are lines a
second of the command's time, the efficiency of n workers, which is their rate by n times the rate of one, and
whether it reached the target for two; the last row is ``detect --workers`` with as many processes. More
workers than the machine has cores share them. Runs as benchmarks/ingest.py does.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ingest import own_database
from verdict import verdict

LEAST = 0.85  # efficiency of two workers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sources", type=int, default=24)
    parser.add_argument("--lines", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        logs = write_logs(Path(folder) / "logs", given.sources, given.lines)
        lines = given.sources * given.lines
        print(f"{given.sources} sources of {given.lines:,} lines, {os.cpu_count()} cores")
        one = 0.0
        for workers in given.workers:
            rate = lines / on_cluster(logs, workers, Path(folder) / f"dask{workers}")
            one = one or rate / workers
            efficiency = rate / workers / one
            said = verdict(efficiency, least=LEAST) if workers == 2 else ""
            print(
                f"{workers} workers of a cluster {rate:>12,.0f} lines/s   efficiency {efficiency:.2f} {said}"
            )
        rate = lines / timed(logs, workers=max(given.workers))
        print(f"{max(given.workers)} processes        {rate:>12,.0f} lines/s")


def write_logs(folder: Path, sources: int, lines: int) -> Path:
    from benchmarks.detect.streams.systems import SYSTEMS

    folder.mkdir()
    makers = list(SYSTEMS.items())
    for number in range(sources):
        name, make = makers[number % len(makers)]
        text = "\n".join(make(Random(f"{name}{number}"), lines))
        (folder / f"{name}{number}.log").write_text(text + "\n")
    return folder


def on_cluster(logs: Path, workers: int, folder: Path) -> float:
    """The seconds of a detection by so many workers, once all of them are there."""
    from distributed import Client

    from tests.management.dask_cluster import cluster

    folder.mkdir()
    with cluster(folder, workers) as made:
        with Client(made.address) as client:
            client.wait_for_workers(workers)
        return timed(logs, cluster=made.address)


def timed(logs: Path, **options: Any) -> float:
    """The seconds of a detection that stores everything it finds."""
    from django.core.management import call_command

    from anomalies.models import Anomaly

    Anomaly.objects.all().delete()
    began = time.perf_counter()
    call_command("detect", str(logs), stderr=io.StringIO(), **options)
    taken = time.perf_counter() - began
    assert Anomaly.objects.exists()
    return taken


if __name__ == "__main__":
    main()
