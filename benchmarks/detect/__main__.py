"""Holds the detector against the naive way on the data of a folder, and prints a table.

    python -m benchmarks.detect FOLDER

FOLDER holds, at any depth: *.log (raw logs; one whose lines all begin with `- ` or an upper case category,
as BGL's, is labelled), labels/windows.json beside data/ (metric series as in NAB), NAME_normal.csv and
NAME_abnormal.csv (sessions). What is missing is left out. Targets are those that the project set itself; a
row that misses its own begins with "!", and the exit code is then 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.detect import logs, metrics, soundness, speed, traces
from benchmarks.detect.data import logs_in, series_in, sessions_in
from benchmarks.detect.table import Table


def main(folder: Path) -> int:
    found, series, sessions = logs_in(folder), series_in(folder), sessions_in(folder)
    if not (found or series or sessions):
        print(
            f"{folder} holds nothing to measure with: see python -m benchmarks.detect --help", file=sys.stderr
        )
        return 2
    table = Table()
    table.head("Normal streams")
    soundness.measure(found, series, sessions, table)
    if found:
        table.head(f"Logs: {', '.join(log.name for log in found)}")
    if len(found) > 1:
        logs.foreign_lines(found, table)
    for log in (one for one in found if any(one.alerts)):
        logs.labelled(log, table)
        logs.odd_line_first(log, table)
        speed.measure(log, table)
    if series:
        table.head("Metrics")
        metrics.measure(series, table)
    if sessions:
        table.head("Traces")
    for one in sessions:
        traces.measure(one, table)
    print(f"\n{len(table.missed)} targets missed" + "".join(f"\n  {name}" for name in table.missed))
    return bool(table.missed)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
