"""``manage.py work``: the background jobs, until it is stopped."""

from __future__ import annotations

import os
import platform
import sys
from functools import partial
from typing import Any

from django.core.management.base import CommandParser

from anomalies.safe_text import printable
from anomalies.work.heartbeats import Heartbeat, store_report
from anomalies.work.jobs import JOBS
from anomalies.work.loop import Worker

from ..base import ShortUsage
from ..progress import stopping


class Command(ShortUsage):
    help = "Run the background jobs until stopped; several workers may run at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="stop when no job finds anything to do, for a scheduler"
        )
        parser.add_argument(
            "--jobs",
            nargs="+",
            choices=[job.name for job in JOBS],
            metavar="JOB",
            help=f"only these jobs (default: all): {'; '.join(f'{job.name} {job.words}' for job in JOBS)}",
        )

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        jobs = [job for job in JOBS if not options["jobs"] or job.name in options["jobs"]]
        names = [job.name for job in jobs]
        name = f"{platform.node() or 'unknown'}:{os.getpid()}"
        with stopping() as stop:
            worker = Worker(jobs, stop, self._say, Heartbeat(partial(store_report, name, names)))
            self._say(f"working: {', '.join(names)}")
            worker.run(once=once)
        if once and worker.failed:
            sys.exit(1)
        self._say("stopped")

    def _say(self, words: str) -> None:
        self.stderr.write(printable(words), lambda text: text)
