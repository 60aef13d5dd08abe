"""A baseline: a file that is known to be good, which a detector learns before its own source.

It is read twice. The first time numbers its events, since they end with 0 and those of the stream begin with
1: so an absence or a rate is measured across the seam as in one stream, and no number stands for two lines.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from anomalies.detection import Detector, Event, Format, Kind, Result, TimestampReader, format_for, guess

from .lines import LINE_BYTES, ReadError, head_of, read_records

_FIX = "name a file that is known to be good"


def check_baseline(path: str) -> None:
    """Raise ReadError for a baseline that can't be read, or not twice, and for an empty one."""
    if path == "-":
        raise ReadError(f"standard input can't be the baseline, which is read twice; {_FIX}")
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"the baseline {path} is not a regular file, and it is read twice; {_FIX}")
        with Path(path).open("rb"):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ReadError(f"can't read the baseline {path}: {why}; {_FIX}") from error
    if not status.st_size:
        raise _no_events(path)


def is_same_file(path: str, baseline: str) -> bool:
    """Return whether a source is the baseline itself."""
    try:
        return path != "-" and Path(path).samefile(baseline)
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline for a stream that is read by `form`; `clock` makes a reader of the baseline's timestamps.

    `kind` is given where the kind of the stream is not to be guessed. Its methods raise ReadError, with the
    fix, for a file that can't be read, is of another format than the stream, or has no events.
    """

    path: str
    form: Format
    kind: Kind | None
    clock: Callable[[], TimestampReader]

    def teach(self, detector: Detector) -> tuple[str, str]:
        """Train a detector; return a note for people and a SHA-256 of the events."""
        last = count = skipped = 0
        for result in self._results():
            if isinstance(result, Event):
                last, count = result.number, count + 1
            else:
                skipped += 1
        if not count:
            raise _no_events(self.path)
        key = hashlib.sha256()
        detector.train(self._events(last, key.update), last)
        unread = f"; {skipped:,} of its lines were skipped or need a fix" if skipped else ""
        return f"trained on {self.path}: {count:,} events{unread}", key.hexdigest()

    def _events(self, last: int, see: Callable[[bytes], None]) -> Iterator[Event]:
        for event in self._results():
            if isinstance(event, Event) and event.number <= last:  # the file may have grown since
                see(event.text.encode() + b"\n")
                yield event._replace(number=event.number - last, line=event.line or event.number)

    def _results(self) -> Iterator[Result]:
        check_baseline(self.path)
        lines = read_records(self.path, LINE_BYTES)
        head = head_of(lines)
        form = self._form([line.data for line in head])
        for line in chain(head, lines):
            yield from form.read(line.number, line.data, line.full_length)
        yield from form.finish()

    def _form(self, head: list[bytes]) -> Format:
        if not any(line.strip() for line in head):
            raise _no_events(self.path)
        try:
            form = format_for(self.kind, head, self.clock()) if self.kind else guess(head, self.clock())
        except ValueError as error:
            raise ReadError(f"can't read the baseline {self.path}: {error}") from error
        ours, other = _described(self.form), _described(form)
        if ours != other:
            raise ReadError(
                f"the baseline {self.path} holds {other}, and the source holds {ours}; "
                "name a baseline of the same format"
            )
        return form


def _described(form: Format) -> str:
    return f"{form.kind} ({form.name})"


def _no_events(path: str) -> ReadError:
    return ReadError(f"the baseline {path} is empty; {_FIX}")
