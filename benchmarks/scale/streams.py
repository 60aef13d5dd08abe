"""Many OTLP sources on several workers that are killed at random: is each record judged once, and how soon?

    .venv/bin/python benchmarks/scale/streams.py [--sources 1000] [--workers 3] [--minutes 10]

Every source gets 200 records, one of them a panic, in requests of 20; requests of all sources come by turns,
spread over the given time. During it workers (``manage.py work``) are killed (SIGKILL) or, one time in four,
frozen for good (SIGSTOP), each time with a new one instead; at the end those that are left judge the rest. A
second set of sources has the same records and one worker that nobody disturbs.
Printed are the records judged, the anomalies that differ between the two sets, and the longest time that a
request of the first set waited: a frozen worker holds its stream for 30 seconds. Exits with 1 where a record
was lost or anything was found twice. Runs as benchmarks/ingest.py does.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ingest import own_database
from verdict import verdict

RECORDS, REQUEST, PANIC_AT = 200, 20, 150
DISTURBED, CALM = "disturbed", "calm"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        sys.exit(0 if Run(given).run() else 1)


class Run:
    """One run: the senders' side in this process, the workers in processes of their own."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.dice = random.Random(given.seed)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.frozen: list[subprocess.Popen[bytes]] = []
        self.ended: Counter[str] = Counter()
        self.longest_wait = 0.0

    def run(self) -> bool:
        given = self.given
        began = time.monotonic()
        self.workers = [worker() for _ in range(given.workers)]
        try:
            self.send_under_fire(began + 60 * given.minutes)
            self.wait_for_the_rest()
        finally:
            for each in [*self.workers, *self.frozen]:
                each.kill()
                each.wait()
        taken = time.monotonic() - began
        wait, alone = self.longest_wait, worker()
        try:
            self.send_all(CALM)
            self.wait_for_the_rest()
        finally:
            alone.kill()
            alone.wait()
        self.longest_wait = wait
        return self.report(taken)

    def send_under_fire(self, until: float) -> None:
        """Send everything over the given time, and end workers at random during it."""
        given = self.given
        requests = [(part, source) for part in range(RECORDS // REQUEST) for source in range(given.sources)]
        pause = max(0.0, until - time.monotonic()) / len(requests)
        due = fire = time.monotonic()
        for number, (part, source) in enumerate(requests):
            send(f"{DISTURBED} {source}", part)
            due += pause
            if number % 100 == 0:
                self.look()
            if time.monotonic() >= fire:
                self.end_one()
                fire = time.monotonic() + self.dice.uniform(0.5, 5)
            while waiting() > 2 * given.sources:
                time.sleep(0.2)
                self.look()
            time.sleep(max(0.0, due - time.monotonic()))

    def send_all(self, name: str) -> None:
        for part in range(RECORDS // REQUEST):
            for source in range(self.given.sources):
                send(f"{name} {source}", part)

    def end_one(self) -> None:
        one = self.workers.pop(self.dice.randrange(len(self.workers)))
        if self.dice.random() < 0.25:
            one.send_signal(signal.SIGSTOP)
            self.frozen.append(one)
            self.ended["frozen"] += 1
        else:
            one.kill()
            one.wait()
            self.ended["killed"] += 1
        self.workers.append(worker())

    def look(self) -> None:
        """Note how long the oldest request has waited."""
        oldest = row(
            "SELECT extract(epoch FROM now() - min(received_at)) FROM incoming_batches WHERE done_at IS NULL"
        )
        self.longest_wait = max(self.longest_wait, float(oldest[0] or 0))

    def wait_for_the_rest(self) -> None:
        while waiting():
            time.sleep(0.5)
            self.look()

    def report(self, taken: float) -> bool:
        from anomalies.models import Anomaly, IncomingBatch

        sent = RECORDS * self.given.sources
        judged = row(
            "SELECT sum(items) FROM incoming_batches WHERE service LIKE 'disturbed%%' AND failure IS NULL"
        )[0]
        found = {name: anomalies_of(name) for name in (DISTURBED, CALM)}
        differ = sum(((found[DISTURBED] - found[CALM]) + (found[CALM] - found[DISTURBED])).values())
        panics = Anomaly.objects.filter(metadata__odd_line=PANIC_AT + 1, metadata__file__startswith=DISTURBED)
        print(
            f"{self.given.sources:,} sources, {self.given.workers} workers, {taken / 60:.1f} minutes: ",
            end="",
        )
        print(f"{self.ended['killed']} workers killed, {self.ended['frozen']} frozen")
        print(f"records sent {sent:,}, judged {judged:,}, {judged / taken:,.0f} a second")
        print(
            f"panics found {panics.count():,}; anomalies {sum(found[DISTURBED].values()):,}, undisturbed ",
            end="",
        )
        print(f"{sum(found[CALM].values()):,}, different {differ:,} {verdict(differ, most=0)}")
        print(f"longest wait of a request {self.longest_wait:.1f} s")
        failed = IncomingBatch.objects.exclude(failure=None).count()
        return judged == sent and not differ and not failed


def anomalies_of(name: str) -> Counter[tuple[Any, ...]]:
    """All anomalies of a set of sources, without the set's name."""
    from anomalies.models import Anomaly

    rows = Anomaly.objects.filter(metadata__file__startswith=name).values_list(
        "metadata__file", "metadata__odd_line", "p_value", "ncd_score", "glass_box_explanation", "timestamp"
    )
    return Counter((file.removeprefix(name), *rest) for file, *rest in rows)


def send(service: str, part: int) -> None:
    from anomalies.ingest.otlp import keep
    from anomalies.sources.otlp import received
    from tests.ingest.otlp.exports import PANIC, logs, normal_lines

    first = part * REQUEST
    texts = normal_lines(REQUEST, first)
    if first <= PANIC_AT < first + REQUEST:
        texts[PANIC_AT - first] = PANIC
    request = logs(texts, first, service_name=service)
    keep(received(request.SerializeToString(), "logs", False).batches)


def waiting() -> int:
    return int(row("SELECT count(*) FROM incoming_batches WHERE done_at IS NULL")[0])


def row(statement: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def worker() -> subprocess.Popen[bytes]:
    from tests.management.dask_cluster import database_url

    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, str(root / "manage.py"), "work", "--jobs", "otlp"]
    env = {**os.environ, "DATABASE_URL": database_url()}
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
