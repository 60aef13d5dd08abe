"""Record host metrics once a second while a small service runs, with faults that are caused on purpose.

    python samples/record_host.py --out samples --seed 7        (as root: it mounts a tmpfs of 48 MB)

Writes host.csv and host.faults.json (see README.md here). Every number was measured by psutil.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from host import Host, running, tree
from host_faults import FAULTS, HostFault

FIRST_QUIET_SECONDS = 600
QUIET_SECONDS = 150
COLUMNS = ("cpu_percent", "memory_mb", "disk_used_percent", "written_kb", "network_kb", "requests")


@dataclass(slots=True)
class Totals:
    """The counters at the last sample, by process if a process may end."""

    at: float
    cpu: dict[int, float]
    written: dict[int, int]
    network: int
    answered: int


@dataclass(slots=True)
class Recorder:
    """Takes a sample at each full second until it is stopped; none while `is_paused`."""

    host: Host
    rows: list[list[str]] = field(default_factory=list)
    is_paused: bool = False
    is_stopped: bool = False

    def run(self) -> None:
        """Sample until stopped."""
        totals = _totals(self.host)
        while not self.is_stopped:
            time.sleep(1 - time.time() % 1)
            now = _totals(self.host)
            if not self.is_paused:
                self.rows.append([_stamp(datetime.now(UTC)), *_sample(self.host, totals, now)])
            totals = now


def _totals(host: Host) -> Totals:
    cpu, written = {}, {}
    for process in tree():
        try:
            times, counted = process.cpu_times(), process.io_counters()
        except psutil.Error:  # ended just now
            continue
        cpu[process.pid] = times.user + times.system
        written[process.pid] = counted.write_bytes
    network = psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    return Totals(time.monotonic(), cpu, written, network, host.answered.value)


def _sample(host: Host, before: Totals, now: Totals) -> list[str]:
    seconds = now.at - before.at
    cpu = sum(used - before.cpu.get(pid, 0.0) for pid, used in now.cpu.items())
    written = sum(count - before.written.get(pid, 0) for pid, count in now.written.items())
    resident = sum(map(_resident, tree()))
    return [
        f"{100 * cpu / seconds:.1f}",
        f"{resident / 1e6:.1f}",
        f"{psutil.disk_usage(str(host.volume)).percent:.1f}",
        f"{written / 1e3 / seconds:.0f}",
        f"{(now.network - before.network) / 1e3 / seconds:.1f}",
        f"{now.answered - before.answered}",
    ]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _stamp(moment: datetime) -> str:
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def record(seed: int, say: Callable[[str], None]) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """Run the service with all faults; the rows, and what was caused when."""
    with running(seed) as host:
        recorder = Recorder(host)
        sampling = threading.Thread(target=recorder.run)
        sampling.start()
        try:
            time.sleep(FIRST_QUIET_SECONDS)
            truth = [_cause(fault, host, recorder, say) for fault in FAULTS]
        finally:
            recorder.is_stopped = True
            sampling.join()
    return recorder.rows, [_with_lines(one, recorder.rows) for one in truth]


def _cause(fault: HostFault, host: Host, recorder: Recorder, say: Callable[[str], None]) -> dict[str, Any]:
    began = datetime.now(UTC)
    say(f"{began:%H:%M:%S} {fault.kind}")
    recorder.is_paused = fault.kind == "recorder_paused"
    fault.cause(host)
    recorder.is_paused = False
    ended = datetime.now(UTC)
    time.sleep(QUIET_SECONDS)
    return {
        "fault": fault.kind,
        "from": _stamp(began),
        "until": _stamp(ended + timedelta(seconds=1)),
        "columns": list(fault.columns),
        "what": fault.what,
    }


def _with_lines(fault: dict[str, Any], rows: list[list[str]]) -> dict[str, Any]:
    """The fault with its first and last line in the file, counted from 1; the header is the first line. Of a
    gap it is the line after it."""
    inside = [line for line, row in enumerate(rows, 2) if fault["from"] < row[0] <= fault["until"]]
    inside = inside or [next(line for line, row in enumerate(rows, 2) if row[0] > fault["until"])]
    return {**fault, "first_line": inside[0], "last_line": inside[-1]}


def main() -> None:
    """Record, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=7, help="what the client draws from")
    options = parser.parse_args()
    rows, truth = record(options.seed, lambda words: print(words, file=sys.stderr))
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "host.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["timestamp", *COLUMNS], *rows])
    (options.out / "host.faults.json").write_text(json.dumps(truth, indent=2) + "\n")
    print(f"{len(rows)} rows, {len(truth)} faults")


if __name__ == "__main__":
    main()
