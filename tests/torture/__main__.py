"""``python -m tests.torture --kills 500 --terminations 500 --shutdowns 20 --full-disks 2 --fuzz-seconds 60``.

Exits with 1 if anything was half done, changed without an audit entry or lost, or if a parser failed. The
same --seed makes the same choices; what they meet depends on the machine.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .ground import Kind, ground, make_rows

if TYPE_CHECKING:
    from .plugs import Part

_COLUMNS = ("half done", "no record", "lost", "unexpected")


def main() -> int:
    """Run the parts that are asked for, and print the table."""
    options = _options()
    print(f"seed {options.seed}", flush=True)
    started = time.monotonic()
    dice = random.Random(options.seed)
    parts = _parts(options, dice)
    _report(parts)
    failed = _fuzz(options.fuzz_seconds, options.seed % 2**31)
    print(f"took {time.monotonic() - started:.0f} s, seed {options.seed}")
    return 1 if failed or any(part.findings.faults for part in parts) else 0


def _fuzz(seconds: float, seed: int) -> bool:
    """Fuzz in another process, which imports the code instrumented; True where a parser failed."""
    command = [sys.executable, "-m", "tests.torture.fuzz", "--seconds", str(seconds), "--seed", str(seed)]
    return seconds > 0 and subprocess.run(command).returncode != 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Pull the plug, and look.")
    parser.add_argument("--kills", type=int, default=500, metavar="N", help="kill -9 of workers")
    parser.add_argument("--terminations", type=int, default=500, metavar="N", help="of backends")
    parser.add_argument("--shutdowns", type=int, default=20, metavar="N", help="of the server, immediate")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers above")
    parser.add_argument("--full-disks", type=int, default=2, metavar="N", help="the database's, the server's")
    parser.add_argument("--fuzz-seconds", type=float, default=600, metavar="S", help="for all parsers")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server"
    )
    parser.add_argument(
        "--pg-bin", type=Path, metavar="FOLDER", help="of another PostgreSQL than the embedded"
    )
    options = parser.parse_args()
    for name in ("kills", "terminations", "shutdowns"):
        setattr(options, name, round(getattr(options, name) * options.scale))
    return options


def _parts(options: argparse.Namespace, dice: random.Random) -> list[Part]:
    kind = Kind(options.pg_bin, dict(each.split("=", 1) for each in options.set))
    parts: list[Part] = []
    with ground(kind) as place:
        from . import disks, plugs  # not before Django is set up

        ids = make_rows(plugs.rows_needed(), options.seed)
        runs: list[tuple[Callable, int]] = [
            (plugs.kill_workers, options.kills),
            (plugs.terminate_backends, options.terminations),
            (plugs.crash_server, options.shutdowns),
        ]
        for run, count in runs:
            if count:
                parts.append(run(place, ids, count, dice))
                print(f"{parts[-1].name}: {parts[-1].times}", file=sys.stderr, flush=True)
    return parts + disks.fill_disks(options.full_disks, dice, kind)


def _report(parts: list[Part]) -> None:
    print(f"{'what':<28}{'times':>7}{'in a transaction':>18}" + "".join(f"{name:>12}" for name in _COLUMNS))
    for part in parts:
        found = part.findings
        counts = [len(each) for each in (found.half_done, found.unrecorded, found.lost, found.unexpected)]
        print(
            f"{part.name:<28}{part.times:>7}{part.in_transaction:>18}" + "".join(f"{n:>12}" for n in counts)
        )
        for line in [*part.said, *found.faults[:20]]:
            print(f"    {line}")
    total = [part.findings for part in parts]
    print(
        f"looked at {sum(f.bulks for f in total):,} bulk decisions, {sum(f.acknowledged for f in total):,} "
        "anomalies whose decision a worker was sent,\n"
        f"{sum(f.in_doubt for f in total):,} bulks whose worker got no answer "
        f"({sum(f.in_doubt_and_done for f in total):,} of them are done), "
        f"{sum(f.entries for f in total):,} entries of the record, {sum(f.ingested for f in total):,} rows"
    )


if __name__ == "__main__":
    sys.exit(main())
