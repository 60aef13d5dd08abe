"""Detection over many machines: each worker of a Dask cluster reads, judges and stores one source at a time.

A source is a task, and a task needs nothing but its packed job, so the findings are those of one machine.
Each worker stores its own: their ids derive from the source, so what a killed worker had stored is found
again by the next one and is not stored twice. Dask hands the tasks of a worker that is gone to another one.

Dask unpacks a task before any code of ours runs, and models can't be imported before Django is set up. So a
job travels as bytes, and this module imports the parts that need Django within its functions.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import platform
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from anomalies.safe_text import first_line, printable
from anomalies.sources.scan import Advanced, Counts, Job, scan

if TYPE_CHECKING:
    from anomalies.ingest import Detection, Report

_CONNECTING = 10.0  # seconds
_WAITING = 1.0  # seconds between two looks at the workers
_PATIENCE = 60  # looks without any worker, then the command gives up
_SAME_DATABASE = """
    SELECT system_identifier::text, current_database()::text, current_schema()::text FROM pg_control_system()
"""


class ClusterError(Exception):
    """The cluster can't be used; its text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A source to read, with what the worker must have in common with the one who asks."""

    job: Job
    detection: Detection
    engine: str
    database: tuple[str, ...]


def detect_on_cluster(
    address: str,
    jobs: Sequence[Job],
    sizes: Sequence[int],
    detections: Sequence[Detection],
    advanced: Callable[[Advanced], None],
) -> Generator[tuple[int, Report], None, None]:
    """Yield the index and the report of each job as it ends.

    ``sizes`` are of the jobs' sources, in bytes. ``advanced`` is called with the bytes and events of each.
    Longer sources are begun first, so that none is left for the end. Raises ClusterError where the cluster
    can't be reached, or has had no worker for a minute.
    """
    dask = _dask()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = dask.Client(address, timeout=_CONNECTING)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"can't reach a Dask scheduler at {printable(address)}: {printable(first_line(error))}. "
            "Start one with `dask scheduler`, or name its address, such as tcp://10.0.0.5:8786."
        ) from error
    try:
        yield from _reports(dask, client, jobs, sizes, detections, advanced)
    finally:
        client.close()


def _dask() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(
            "--cluster needs Dask: pip install 'driftlock[cluster]', here and on each worker."
        ) from error
    return distributed


def _reports(
    dask: Any,
    client: Any,
    jobs: Sequence[Job],
    sizes: Sequence[int],
    detections: Sequence[Detection],
    advanced: Callable[[Advanced], None],
) -> Generator[tuple[int, Report], None, None]:
    run, database = uuid4(), _database()
    pending: dict[Any, int] = {}
    for index in sorted(range(len(jobs)), key=lambda at: -sizes[at]):
        job = replace(jobs[index], path=str(Path(jobs[index].path).absolute()))
        task = pickle.dumps(_Task(job, detections[index], engine(), database))
        pending[client.submit(detect_packed, task, key=f"driftlock-{run}-{index}", pure=False)] = index
    without = 0
    while pending:
        try:
            ended = dask.wait(list(pending), timeout=_WAITING, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            without = 0 if client.scheduler_info(n_workers=-1)["workers"] else without + 1
            if without >= _PATIENCE:
                raise ClusterError(
                    "the cluster has no worker. Start some with `dask worker ADDRESS --nthreads 1`; "
                    "what is stored is kept, and the same command continues from there."
                ) from None
            continue
        for future in ended:
            index = pending.pop(future)
            report = _report(future, detections[index])
            advanced(Advanced(sizes[index], report.counts.events))
            yield index, report


def _report(future: Any, detection: Detection) -> Report:
    """The report that a worker returned, or one that says why it has none."""
    error = future.exception()
    if error is None:
        report: Report = pickle.loads(future.result())  # noqa: S301 -- of our own worker
        return report
    said = "its workers were killed again and again" if type(error).__name__ == "KilledWorker" else error
    report = detection.report
    report.counts, report.ended = Counts(), True
    report.failure = f"can't finish {next(iter(detection.origins.values())).name}: {first_line(said)}"
    return report


def detect_packed(packed: bytes) -> bytes:
    """Read, judge and store a source in a worker; both the task and its report are pickled."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from django.db import DatabaseError, connections

    from anomalies.ingest import RowError

    from .detection_summary import refused

    task: _Task = pickle.loads(packed)  # noqa: S301 -- a cluster's peers trust each other (docs/cluster.md)
    where = platform.node()
    if task.engine != engine():
        raise RuntimeError(f"worker {where} runs another release of Driftlock; install the same one")
    try:
        if task.database != _database():
            raise RuntimeError(f"worker {where} has another database; set the same DATABASE_URL there")
        for message in scan(task.job, lambda advance: None):
            task.detection.take(message)
    except (DatabaseError, RowError) as error:
        task.detection.report.failure = refused(error)
    finally:
        connections.close_all()
    report = task.detection.report
    if report.failure:
        report.failure += f" (worker {where})"
    return pickle.dumps(report)


@cache
def engine() -> str:
    """Return a SHA-256 of the code that findings depend on: two hosts with the same one find the same."""
    root = Path(__file__).resolve().parents[1]
    files = [
        path for part in ("detection", "sources", "ingest") for path in sorted((root / part).rglob("*.py"))
    ]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _database() -> tuple[str, ...]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_SAME_DATABASE)
        found: tuple[str, ...] = cursor.fetchone()
        return found
