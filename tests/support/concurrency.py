"""Many at once: threads and processes with connections of their own, started together.

As a program (``python -m tests.support.concurrency``) it is one of many: it reads its task from the first
line of its input, says that it is ready, starts with the second line, and says what came of it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from tests.support import preforked
from tests.support.sizes import size

ROOT = Path(__file__).resolve().parents[2]
Result = TypeVar("Result")


def share(full: int) -> int:
    """The part of a full number that DRIFTLOCK_CONCURRENCY asks for (1 is all, 0.1 a tenth), 2 at least."""
    return max(2, round(full * size("DRIFTLOCK_CONCURRENCY")))


def at_once(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run the jobs in threads that start together, each with its own connection; what each returned."""
    from django.db import connection

    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], Result]) -> Result:
        try:
            barrier.wait()
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def in_processes(tasks: Sequence[dict[str, Any]], seconds: float = 600) -> list[Any]:
    """Do the tasks in processes that start together, on the database of the test; what each said."""
    hands = [_started() for _ in tasks]
    try:
        for hand, task in zip(hands, tasks, strict=True):
            print(json.dumps(task), file=hand.stdin, flush=True)
        assert [hand.stdout.readline() for hand in hands] == ["ready\n"] * len(tasks)
        for hand in hands:
            print("go", file=hand.stdin, flush=True)
        said = [hand.communicate(timeout=seconds)[0] for hand in hands]
    finally:
        for hand in hands:
            hand.kill()
            hand.wait()
    return [json.loads(text) for text in said]


def _started() -> subprocess.Popen[Any]:
    """One of many, forked off the process that has imported everything; else a process of its own."""
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    arguments, streams = (
        ["-m", "tests.support.concurrency"],
        {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE},
    )
    if forked := preforked.command(arguments, name, text=True, **streams):
        return forked
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "driftlock.settings", "DATABASE_OF_THE_TEST": name}
    return subprocess.Popen([sys.executable, *arguments], env=env, cwd=ROOT, text=True, **streams)


# --- what one of many does ------------------------------------------------------------------------------


def decide_each(name: str, ids: list[str]) -> dict[str, Any]:
    """Acknowledge each as it was when it arrived: which were won, what was said of the rest."""
    from anomalies.audit import Actor
    from anomalies.triage.decisions import decide

    won, refused = [], {}
    random.shuffle(ids)
    for each in ids:
        outcome = decide("acknowledge", [UUID(each)], Actor(name), seen={UUID(each): 1}, batch=uuid4())
        won += [str(pk) for pk in outcome.decided]
        refused |= {str(refusal.id): refusal.why for refusal in outcome.refused}
    return {"won": won, "refused": refused}


def decide_many(name: str, ids: list[str], goes: int, at_a_time: int) -> dict[str, Any]:
    """Bulk decisions about some of them, in any order: how many were asked for, decided and refused."""
    from anomalies.audit import Actor
    from anomalies.models import Anomaly
    from anomalies.triage.decisions import MOVES, decide

    counts = {"asked": 0, "decided": 0, "refused": 0}
    for number in range(goes):
        chosen = [UUID(each) for each in random.sample(ids, at_a_time)]
        seen = dict(Anomaly.objects.filter(pk__in=chosen).values_list("pk", "version"))
        action = random.choice(list(MOVES))
        reason = "other" if action == "dismiss" else None
        outcome = decide(
            action, chosen, Actor(name), reason=reason, seen=seen if number % 2 else None, batch=uuid4()
        )
        counts["asked"] += len(chosen)
        counts["decided"] += len(outcome.decided)
        counts["refused"] += len(outcome.refused)
    return counts


WORK: dict[str, Callable[..., Any]] = {"decide_each": decide_each, "decide_many": decide_many}


def main() -> None:
    """Be one of many."""
    import django

    from driftlock import settings

    if "DATABASE_OF_THE_TEST" in os.environ:  # a forked one knows its database
        settings.DATABASES["default"]["NAME"] = os.environ["DATABASE_OF_THE_TEST"]
        django.setup()
    task = json.loads(sys.stdin.readline())
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(WORK[task.pop("work")](**task)))


if __name__ == "__main__":
    main()
