"""Progress bars, and the same clean end on SIGTERM as on Ctrl-C, for long commands."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from anomalies.safe_text import printable
from anomalies.sources.follow import Stop

Progress = Callable[[int, int | None], None]


@contextmanager
def reading_bar(off: bool = False) -> Iterator[Progress]:
    """A bar over the bytes read, on a terminal only; called with the bytes so far and the size, if known."""
    with tqdm(unit="B", unit_scale=True, disable=off or not sys.stderr.isatty(), leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


@contextmanager
def events_bar(total: int | None, off: bool = False) -> Iterator[Callable[[Any], None]]:
    """A bar over the bytes read, with the events a second, on a terminal only; called at each advance."""
    began, events = time.monotonic(), 0
    with tqdm(
        total=total, unit="B", unit_scale=True, disable=off or not sys.stderr.isatty(), leave=False
    ) as bar:

        def show(advance: Any) -> None:
            nonlocal events
            events += advance.events
            rate = events / max(time.monotonic() - began, 1e-3)
            bar.set_postfix_str(f"{rate:,.0f} events/s", refresh=False)
            bar.update(advance.size)

        yield show


def saying(stderr: Any) -> Callable[[str], None]:
    """Lines on a command's standard error, above a bar if there is one."""

    def say(text: str) -> None:
        with tqdm.external_write_mode(sys.stderr):
            stderr.write(printable(text), lambda text: text)

    return say


@contextmanager
def stopping() -> Iterator[Stop]:
    """A wish that SIGTERM and Ctrl-C make, for what is to be stopped between two steps only."""
    stop = Stop()
    former = [signal.signal(one, stop.set) for one in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield stop
    finally:
        for one, handler in zip((signal.SIGTERM, signal.SIGINT), former, strict=True):
            signal.signal(one, handler)
        stop.close()


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt too, so that a service manager's stop is a clean one."""
    try:
        former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread, which receives no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
