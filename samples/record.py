"""Record the sample: the log of a PostgreSQL under a real workload with faults that are caused on purpose.

    python samples/record.py --out samples --seed 7 --minutes 5

Writes postgresql.log and postgresql.faults.json (see README.md here). Nothing is written into the log by
hand: a throw-away server of the embedded PostgreSQL wrote every line.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script: find the repository

from faults import FAULTS, Fault, causes
from shop import Shop, create, normal_life

from driftlock.embedded_postgres.server import EmbeddedServer

FIRST_QUIET_LINES = 600
QUIET_LINES = 270
_SETTLE_SECONDS = 0.3  # until a session that has just ended is in the log

PARAMETERS = {
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    "log_timezone": "UTC",
    "log_connections": "receipt,authorization",
    "log_disconnections": "on",
    "log_statement": "ddl",
    "log_min_duration_statement": "250ms",
    "log_lock_waits": "on",
    "log_temp_files": "0",
    "log_checkpoints": "on",
    "log_autovacuum_min_duration": "1s",
    "deadlock_timeout": "200ms",
    "max_connections": "20",
    "checkpoint_timeout": "30s",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_threshold": "60",
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_analyze_threshold": "120",
    "autovacuum_analyze_scale_factor": "0",
}

# An entry is a line with a severity and what the server wrote along with it.
_LINE = re.compile(
    r"(?P<time>[\d-]{10} [\d:.]{12}) UTC \[(?P<pid>\d+)\] (?:\S+@\S+/\S* )?(?P<severity>[A-Z]+):  "
)
_COMPANIONS = {"DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION"}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A fault that was caused: when, and by which sessions."""

    fault: Fault
    began: datetime
    ended: datetime
    pids: set[int]


@dataclass(slots=True)
class Entry:
    """One message of the server: lines ``first`` to ``last`` of the log, counted from 1."""

    first: int
    last: int
    time: datetime
    pid: int
    text: str


def main() -> None:
    """Record, and say what came of it."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sample-", ignore_cleanup_errors=True) as folder:
        log, occurrences = record(Path(folder), options.seed, options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "postgresql.log").write_text(log)
    truth = ground_truth(log, occurrences)
    (options.out / "postgresql.faults.json").write_text(json.dumps(truth, indent=2) + "\n")
    print(f"{len(log.splitlines())} lines, {len(truth)} faults")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=7, help="what the clients draw from")
    parser.add_argument("--minutes", type=float, default=5, help="at least this long")
    return parser.parse_args()


def record(home: Path, seed: int, minutes: float) -> tuple[str, list[Occurrence]]:
    """Run the shop with all faults on a new server in ``home``; the log, and what was caused when."""
    _prepare(home, seed)
    server = EmbeddedServer(home, PARAMETERS)
    address = server.ensure_running()
    shop = Shop(address.socket_folder, address.user, Random(seed))
    try:
        with normal_life(shop, seed):
            pause = _pauses(server.log, time.monotonic(), minutes * 60)
            occurrences = [_cause(fault, shop) for fault in causes(pause)]
            # Read before the shop closes: its end is no part of normal life.
            log = server.log.read_text()
    finally:
        server.release()
    return without_folders(log, [str(server.data), address.socket_folder]), occurrences


def _prepare(home: Path, seed: int) -> None:
    """Create the shop with a server that logs as it likes, then begin a new log."""
    server = EmbeddedServer(home)
    address = server.ensure_running()
    try:
        create(Shop(address.socket_folder, address.user, Random(seed)))
        access = server.data / "pg_hba.conf"
        access.write_text("local all shop_admin scram-sha-256\n" + access.read_text())
    finally:
        server.release()
    server.log.unlink()


def _pauses(log: Path, start: float, seconds: float) -> Callable[[], None]:
    """A function that waits out the next quiet stretch: its share of the time, and lines enough."""
    steps: Iterator[int] = iter(range(1, len(FAULTS) + 2))

    def pause() -> None:
        step = next(steps)
        # The first stretch is twice as long as the others: a detector learns from it.
        share = (step + 1) / (len(FAULTS) + 2)
        lines = _count_lines(log) + (FIRST_QUIET_LINES if step == 1 else QUIET_LINES)
        while time.monotonic() < start + share * seconds or _count_lines(log) < lines:
            time.sleep(0.25)

    return pause


def _count_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n")


def _cause(fault: Fault, shop: Shop) -> Occurrence:
    began = _now()
    pids = fault.cause(shop)
    time.sleep(_SETTLE_SECONDS)
    ended = _now() + timedelta(milliseconds=1)
    print(f"{began:%H:%M:%S} {fault.kind}", file=sys.stderr)
    return Occurrence(fault, began, ended, pids)


def _now() -> datetime:
    """To the millisecond, as the log has it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def without_folders(log: str, folders: list[str]) -> str:
    """The log with the folders of this machine cut off the files that it names."""
    for folder in sorted(folders, key=len, reverse=True):
        log = log.replace(f"{folder}/", "")
    return log


def ground_truth(log: str, occurrences: list[Occurrence]) -> list[dict[str, object]]:
    """The lines that the faults left in the log, as in postgresql.faults.json."""
    entries = list(read_entries(log))
    return [_describe(occurrence, entries) for occurrence in occurrences]


def read_entries(log: str) -> Iterator[Entry]:
    """The server's messages, each with its details and continuation lines."""
    entry: Entry | None = None
    for number, line in enumerate(log.splitlines(), 1):
        found = _LINE.match(line)
        if entry and (not found or found["severity"] in _COMPANIONS):
            entry.last = number
        elif found:
            if entry:
                yield entry
            moment = datetime.fromisoformat(found["time"]).replace(tzinfo=UTC)
            entry = Entry(number, number, moment, int(found["pid"]), line)
    if entry:
        yield entry


def _describe(occurrence: Occurrence, entries: list[Entry]) -> dict[str, object]:
    own = [entry for entry in entries if _stems_from(occurrence, entry)]
    if not own:
        raise SystemExit(f"the fault {occurrence.fault.kind} left nothing in the log")
    return {
        "fault": occurrence.fault.kind,
        "from": occurrence.began.isoformat(timespec="milliseconds"),
        "until": occurrence.ended.isoformat(timespec="milliseconds"),
        "first_line": own[0].first,
        "last_line": own[-1].last,
        "lines": sum(entry.last - entry.first + 1 for entry in own),
        "what": occurrence.fault.what,
    }


def _stems_from(occurrence: Occurrence, entry: Entry) -> bool:
    if not occurrence.began <= entry.time <= occurrence.ended:
        return False
    if re.search(occurrence.fault.anywhere, entry.text):
        return True
    return entry.pid in occurrence.pids and bool(re.search(occurrence.fault.in_session, entry.text))


if __name__ == "__main__":
    main()
