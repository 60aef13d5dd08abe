"""A worker: a process that decides in bulk, or ingests files, until it is stopped, one way or another."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from django.core.management import CommandError, call_command
from django.db import Error, connection, connections

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import MOVES, decide

from .ledger import Ledger, read

FILE_ROWS, BATCH_ROWS = 600, 100
NO_ANSWER = "no answer"
# In the rows that all share nothing is reopened, so that refusals can be checked afterwards.
_FORWARD = ("investigate", "acknowledge", "dismiss")


@dataclass(frozen=True)
class Task:
    """The work of a slot; the next process in the slot continues it."""

    slot: int
    ingests: bool
    shared: list[UUID]
    own: list[UUID]  # nobody else's, so a bulk of them is decided whole or not at all
    folder: Path  # of the ledgers, the files to ingest, and the file "stop" that ends the round

    @property
    def name(self) -> str:
        """Of its connections and in the record."""
        return f"torture-{self.slot}"

    @property
    def stopped(self) -> bool:
        """Return True if the round is over."""
        return (self.folder / "stop").exists()


def start(task: Task, seed: int) -> int:
    """Fork a process that works on the task; its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who ends us
            # The parent's connection is the parent's: forgotten, not closed.
            connections["default"].connection = None
            connection.settings_dict["OPTIONS"] = {"application_name": task.name}
            _work(task, random.Random(seed))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def _work(task: Task, dice: random.Random) -> None:
    ledger = Ledger(task.folder, task.slot)
    step = _ingest if task.ingests else _decide
    while not task.stopped:
        try:
            _wait_for_predecessor(task)
            while not task.stopped:
                step(task, ledger, dice)
        except (Error, CommandError) as error:
            ledger.write("failed", "", why=f"{_sqlstate(error)}: {str(error).strip()[:300]}")
            connection.close()
            time.sleep(0.02)


def _sqlstate(error: BaseException | None) -> str:
    """The server's reason; "no answer" where a connection is gone; else it was not the database at all."""
    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__
    return "not the database" if error is None else error.sqlstate or NO_ANSWER


def _wait_for_predecessor(task: Task) -> None:
    """A killed worker's backend may still be about to commit; until it is gone nobody knows what is done."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE application_name = %s AND pid <> pg_backend_pid()",
                [task.name],
            )
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.005)


def _decide(task: Task, ledger: Ledger, dice: random.Random) -> None:
    """One bulk: of the shared rows any, of our own only ones that we know can move."""
    tag = str(UUID(int=dice.getrandbits(128), version=4))
    shares = dice.random() < 0.5
    action = dice.choice(_FORWARD if shares else tuple(MOVES))
    ids = dice.sample(task.shared, dice.randint(1, 60)) if shares else _movable(task, action, dice)
    if not ids:
        return
    ledger.write("begin", tag, action=action, ids=[str(pk) for pk in ids], shared=shares)
    reason = "duplicate" if action == "dismiss" else None
    outcome = decide(action, ids, Actor(task.name, via="torture"), reason=reason, note=tag)
    ledger.write("done", tag, decided=[str(pk) for pk in outcome.decided])


def _movable(task: Task, action: str, dice: random.Random) -> list[UUID]:
    found = Anomaly.objects.filter(pk__in=task.own, status__in=MOVES[action].sources)
    ids = sorted(found.values_list("pk", flat=True))
    return dice.sample(ids, dice.randint(1, len(ids))) if ids else []


def _ingest(task: Task, ledger: Ledger, dice: random.Random) -> None:
    """One file, from the first line whether or not somebody was killed over it; then the next one."""
    done = [line["tag"] for line in read(task.folder) if line["event"] == "ingested"]
    names = (f"{task.folder.name}-{task.slot}-{number}.jsonl" for number in range(len(done) + 1))
    file = task.folder / "files" / next(name for name in names if name not in done)
    write_file(file)
    ledger.write("ingesting", file.name)
    run_ingest(file)
    ledger.write("ingested", file.name)
    time.sleep(dice.uniform(0, 0.05))


def run_ingest(file: Path) -> None:
    """``manage.py ingest``, in this process."""
    options = {"batch_rows": BATCH_ROWS, "no_progress": True, "by": "torture"}
    call_command("ingest", str(file), **options, stderr=io.StringIO())


def write_file(file: Path, rows: int = FILE_ROWS, padding: int = 0) -> None:
    """A file of anomalies that say which file and line they come from; written whole or not at all.

    ``padding`` is how many random bytes of evidence each has.
    """
    if file.exists():
        return
    row = {
        "timestamp": "2026-11-23T12:00:00Z",
        "stream_type": "logs",
        "ncd_score": 0.7,
        "p_value": 0.01,
        "confidence_level": 0.99,
        "compression_baseline": 0.2,
        "compression_window": 0.5,
        "compression_combined": 0.3,
    }
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    with unfinished.open("w") as out:
        for line in range(1, rows + 1):
            about = {"file": file.name, "line": line}
            text = f"{file.name}, line {line}"
            data = {"metadata": about, "window_data": [os.urandom(padding).hex()]}
            out.write(json.dumps({**row, **data, "glass_box_explanation": text}) + "\n")
    unfinished.rename(file)
