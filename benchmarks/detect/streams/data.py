"""The data of a folder: logs, labelled or not, metric series with windows, sessions by label."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anomalies.detection import Event, TimestampReader, event_from_line, normalise

CLOCK = TimestampReader(datetime(2026, 1, 1, tzinfo=UTC))
_LABEL = re.compile(rb"(-|[A-Z]{4,}) (?=\d{10} )")


@dataclass(frozen=True)
class Log:
    """A log's lines without labels; `alerts` says which are anomalous, and is empty without labels."""

    name: str
    raw: list[bytes]
    alerts: list[bool]

    @property
    def normal(self) -> Log:
        """The same without what is labelled anomalous."""
        if not self.alerts:
            return self
        kept = [line for line, alert in zip(self.raw, self.alerts, strict=True) if not alert]
        return Log(self.name, kept, [])

    def events(self) -> list[Event]:
        return events_of(self.raw)


@dataclass(frozen=True)
class Series:
    """A metric's values in order, and the labelled windows: first and last place, both inside. `times` are
    seconds since some moment."""

    name: str
    values: list[float]
    windows: list[tuple[int, int]]
    times: list[float] | None = None


@dataclass(frozen=True)
class Sessions:
    """The steps of each session, by label, in the order of the files."""

    name: str
    normal: list[list[str]]
    abnormal: list[list[str]]


def events_of(lines: list[bytes]) -> list[Event]:
    return [event_from_line(number, line, len(line), CLOCK) for number, line in enumerate(lines, 1)]


def normalised(log: Log) -> list[str]:
    return [normalise(event.text) for event in log.events()]


def logs_in(folder: Path) -> list[Log]:
    """Every *.log below the folder; where each line begins with `- ` or a category, it has labels."""
    return [_log(path) for path in sorted(folder.rglob("*.log"))]


def _log(path: Path) -> Log:
    lines = path.read_bytes().splitlines()
    found = [label for line in lines if (label := _LABEL.match(line))]
    if len(found) < len(lines):
        return Log(path.stem, lines, [])
    bare = [line[label.end() :] for line, label in zip(lines, found, strict=True)]
    return Log(path.stem, bare, [label.group(1) != b"-" for label in found])


def series_in(folder: Path) -> list[Series]:
    """The CSV files (timestamp, value) that a labels/windows.json below the folder names, as NAB's does."""
    return [
        _series(root.parent.parent / "data" / name, name, spans)
        for root in sorted(folder.rglob("windows.json"))
        for name, spans in sorted(json.loads(root.read_text()).items())
        if (root.parent.parent / "data" / name).exists()
    ]


def _series(path: Path, name: str, spans: list[list[str]]) -> Series:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    times = [datetime.fromisoformat(row[0]) for row in rows]
    bounds = [(datetime.fromisoformat(first), datetime.fromisoformat(last)) for first, last in spans]
    inside = [[at for at, time in enumerate(times) if first <= time <= last] for first, last in bounds]
    values, windows = [float(row[1]) for row in rows], [(one[0], one[-1]) for one in inside if one]
    return Series(name, values, windows, [time.replace(tzinfo=UTC).timestamp() for time in times])


def sessions_in(folder: Path) -> list[Sessions]:
    """Each pair NAME_normal.csv and NAME_abnormal.csv below the folder, with lines of `id,"e1 e2 …"`."""
    pairs = [
        (path, path.with_name(path.name.replace("_normal", "_abnormal")))
        for path in sorted(folder.rglob("*_normal.csv"))
    ]
    return [
        Sessions(normal.stem.removesuffix("_normal"), _steps(normal), _steps(abnormal))
        for normal, abnormal in pairs
        if abnormal.exists()
    ]


def _steps(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return [row[1].split() for row in csv.reader(file) if len(row) == 2]
