"""The memory of a detector over a long log, which must not grow with it.

    python -m benchmarks.detect.memory [MILLIONS]

The lines of twelve systems in a random order (`speed.mixed`), with other numbers and names in each 100,000,
are read and scored one by one, as `detect` does, by default ten million of them. After each million one line
gives the lines read, the resident memory in MB, and the lines a second of processor time, the making of the
lines left out. Exit code 1 if the memory is more than 150 MB, or more than a tenth above that after the first
million.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from resource import getpagesize
from time import process_time

from anomalies.detection import Detector, Event, Parameters, TimestampReader, format_for
from benchmarks.detect.speed import mixed

_MOST = 150.0  # MB
_GROWTH = 1.1
_MILLION = 1_000_000


def main(millions: int) -> int:
    detector, spent = Detector(Parameters()), 0.0
    number, memory = 0, list[float]()
    form = format_for("logs", [line.encode() for line in mixed("0")[:100]], TimestampReader(None))
    for part in _parts(millions * _MILLION):
        began = process_time()
        for raw in part:
            number += 1
            events = (one for one in form.read(number, raw, len(raw)) if isinstance(one, Event))
            for _ in detector.feed(events):
                pass
        spent += process_time() - began
        if number // _MILLION > len(memory):
            memory.append(resident())
            print(f"{number:>12,} lines {memory[-1]:6.0f} MB {number / spent:8,.0f} lines/s", flush=True)
    return int(max(memory) > min(_MOST, _GROWTH * memory[0]))


def _parts(lines: int) -> Iterator[list[bytes]]:
    """The lines in parts, none kept here longer than it is read."""
    made, seed = 0, 0
    while made < lines:
        part = [line.encode() for line in mixed(str(seed))]
        yield part
        made, seed = made + len(part), seed + 1


def resident() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] in (["-h"], ["--help"]) or len(sys.argv) > 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) == 2 else 10))
