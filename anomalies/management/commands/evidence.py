"""``manage.py evidence``: one anomaly with its history, signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from anomalies.atomic_file import write_atomically
from anomalies.audit import Actor
from anomalies.audit.bundle import NoSuchAnomaly, bundle
from anomalies.audit.keys import KeyProblem

from ..base import ShortUsage
from ..options import add_actor_option, anomaly_id


class Command(ShortUsage):
    help = "Write a signed bundle of an anomaly, its config, its history and its seals."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=anomaly_id, metavar="ID", help="id of the anomaly")
        parser.add_argument(
            "--out", type=Path, metavar="FILE", help="write to this new file (default: standard output)"
        )
        add_actor_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = bundle(options["id"], Actor(options["by"], via="evidence"))
        except (KeyProblem, NoSuchAnomaly) as error:
            raise CommandError(str(error)) from error
        text = json.dumps(made, ensure_ascii=False, indent=1)
        if options["out"] is None:
            self.stdout.write(text)
        else:
            try:
                write_atomically(options["out"], f"{text}\n".encode(), mode=0o666)
            except OSError as error:
                raise CommandError(f"{options['out']}: {error.strerror}; nothing is overwritten") from error
        said = made["bundle"]
        unsealed = len(said["not_sealed_yet"])
        self.stderr.write(
            f"{len(said['history'])} entries, {len(said['seals'])} seals, {unsealed} entries not sealed yet"
        )
