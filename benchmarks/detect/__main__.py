"""The comparison of the detector with its former engine and simple ways on the data of a folder, as a table.

    python -m benchmarks.detect FOLDER [INCIDENTS]

FOLDER holds, at any depth: *.log (raw logs; one whose lines all begin with `- ` or an upper case category,
as BGL's, is labelled), labels/windows.json beside data/ (metric series as in NAB), NAME_normal.csv and
NAME_abnormal.csv (sessions). INCIDENTS is a module that puts an incident of a kind into a stream
(`incidents`): into the systems of `systems`, and into the logs. What is missing is left out. A row that
misses its target begins with "!", and the exit code is then 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.detect import foreign, incidents, logs, metrics, soundness, speed, traces
from benchmarks.detect.streams.data import logs_in, series_in, sessions_in
from benchmarks.detect.streams.systems import SYSTEMS
from benchmarks.detect.table import Table


def main(folder: Path, generator: Path | None) -> int:
    found, series, sessions = logs_in(folder), series_in(folder), sessions_in(folder)
    if not (found or series or sessions):
        print(
            f"{folder} holds nothing to measure with: see python -m benchmarks.detect --help", file=sys.stderr
        )
        return 2
    table = Table()
    streams = {log.name: [line.decode("utf-8", "replace") for line in log.normal.raw] for log in found}
    if generator:
        _incidents(streams, generator, table)
    if streams:
        table.head(f"Logs: {', '.join(streams)}")
        made = incidents.systems([*SYSTEMS], 1)
        foreign.rows(streams, {**streams, **made}, table, [*incidents.WAYS])
    for log in (one for one in found if any(one.alerts)):
        logs.labelled(log, table)
        logs.odd_line_first(log, table)
    if series:
        table.head("Metrics")
        metrics.measure(series, table)
    for one in sessions:
        table.head(f"Traces: {one.name}")
        traces.measure(one, table)
    table.head("Speed")
    speed.measure(table)
    table.head("Normal streams")
    soundness.measure(found, series, sessions, table)
    soundness.with_anomalies({**streams, **incidents.systems(incidents.HELD_OUT, 1)}, table)
    print(f"\n{len(table.missed)} targets missed" + "".join(f"\n  {name}" for name in table.missed))
    return bool(table.missed)


def _incidents(streams: dict[str, list[str]], generator: Path, table: Table) -> None:
    make = incidents.generator(generator)
    for name, names in (
        ("continuous", (*incidents.TUNED_ON, *incidents.MORE)),
        ("continuous, held out", incidents.HELD_OUT),
    ):
        table.head(f"Incidents in continuous logs: {', '.join(names)}")
        incidents.rows(name, incidents.systems(names, 1), make, table, (0.9, 0.97, 1.5))
    if streams:
        table.head(f"Incidents in samples: {', '.join(streams)}")
        incidents.rows("samples", streams, make, table, (0.5, 0.97, 1.5))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None))
