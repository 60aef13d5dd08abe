"""All benchmarks, one after the other, and at the end what was missed: ``make bench [ROWS=10000000]``.

Each runs in a process and on a server of its own, with its yardstick beside it. ROWS is the size of the
larger table of the desk and of the roll-up. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from verdict import MISSED, REACHED

HERE = Path(__file__).resolve().parent
SMALL = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="ROWS")
    rows = parser.parse_args().rows
    lines = [f"{name}: {line}" for name, given in parts(rows).items() for line in run(name, given)]
    missed = [line for line in lines if MISSED in line]
    reached = sum(line.count(REACHED) for line in lines)
    print(f"\n{reached} targets reached, {sum(line.count(MISSED) for line in lines)} missed")
    for line in missed:
        print(line)
    return bool(missed)


def parts(rows: int) -> dict[str, list[str]]:
    """Return the benchmarks in the order they run, each with its options."""
    return {
        "reading": [],
        "ingest": [],
        "rules": [],
        "record": [],
        "triage": [],
        "rollup": ["--rows", str(rows)],
        "desk": ["--rows", str(SMALL), str(rows)],
        "rendering": ["--rows", str(SMALL)],
        "filters": ["--rows", str(SMALL), str(rows)],
        "patterns": ["--rows", str(SMALL), str(rows)],
        "api": ["--rows", str(SMALL), str(rows)],
        "otlp": [],
        "adopt": [],
    }


def run(name: str, given: list[str]) -> list[str]:
    """Run one, print its output and return it. Raises CalledProcessError where it fails."""
    print(f"\n--- {name}", flush=True)
    folder = HERE / name / "__main__.py"
    command = [sys.executable, str(folder if folder.exists() else HERE / f"{name}.py"), *given]
    said = []
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unbuffered) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(" ".join(line.split()))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return said


if __name__ == "__main__":
    sys.exit(main())
