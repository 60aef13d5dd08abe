"""Many sources at once, each scanned in a process of its own; the order of execution changes no result."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from .scan import Advanced, Counts, Ended, Job, Message, scan

_STEP = 1024 * 1024  # bytes
# A forked copy would share its parent's database connection.
_processes = get_context("spawn")


def scan_all(
    jobs: Sequence[Job], workers: int, advanced: Callable[[Advanced], None]
) -> Generator[tuple[int, Message], None, None]:
    """Yield the messages of these jobs, each with the index of its job; a single job runs in this process.

    ``advanced`` is called with the progress since its last call. Memory is bounded: a process waits until its
    findings are taken. A process that is killed ends its own job with a failure, and no other.

    A caller that is interrupted between two messages throws the KeyboardInterrupt in: a job of this process
    ends with a last message, as it does where the interrupt arrives while it reads.
    """
    if workers <= 1 or len(jobs) <= 1:
        for index, job in enumerate(jobs):
            yield from _with_index(index, scan(job, advanced))
        return
    waiting = deque(range(len(jobs)))
    running: dict[Connection, tuple[int, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                index = waiting.popleft()
                connection, process = _start(jobs[index])
                running[connection] = (index, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection), "nothing else is waited for"
                index, process = running[ready]
                message = _received(ready, jobs[index], process)
                if isinstance(message, Advanced):
                    advanced(message)
                    continue
                if isinstance(message, Ended):
                    del running[ready]
                    ready.close()
                    process.join()
                yield index, message
    finally:
        for connection, (_, process) in running.items():
            process.kill()
            process.join()
            connection.close()


def _with_index(index: int, messages: Generator[Message, None, None]) -> Iterator[tuple[int, Message]]:
    """Yield the messages with their job's index; an interrupt that is thrown in reaches the job."""
    for message in messages:
        try:
            yield index, message
        except KeyboardInterrupt as interrupt:
            yield index, messages.throw(interrupt)
            raise


def _start(job: Job) -> tuple[Connection, Any]:
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _received(connection: Connection, job: Job, process: Any) -> Message | Advanced:
    try:
        received: Message | Advanced = connection.recv()
        return received
    except EOFError:
        process.join()
        return Ended(Counts(), f"can't finish {job.path}: its process ended with {process.exitcode}")


def _work(job: Job, connection: Connection) -> None:
    # The parent stops this process; Ctrl-C reaches all of them, and the parent has to store results first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError):  # the parent was killed, so there is no reader
        for message in scan(job, connection.send, _STEP):
            connection.send(message)
    connection.close()
