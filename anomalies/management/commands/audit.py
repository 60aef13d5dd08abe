"""``manage.py audit``: seal the audit log, and verify it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from anomalies.audit.canonical_rows import moment
from anomalies.audit.keys import KeyProblem, make_key
from anomalies.audit.replay_sources import ReplayError
from anomalies.audit.seal_rows import newest_seal
from anomalies.audit.seals import SealError, seal
from anomalies.audit.verification import MOST, verify
from anomalies.models import AuditSeal
from anomalies.safe_text import printable
from anomalies.schema.search_path import pinned

from ..base import ShortUsage
from ..options import seconds
from ..progress import interruptible


class Command(ShortUsage):
    help = "Seal and verify the audit log with a key kept outside the database."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="keygen|seal|verify|head")
        keygen = verbs.add_parser("keygen", help="make a key pair")
        keygen.add_argument(
            "file", type=Path, metavar="FILE", help="the new private key; the public key is FILE.pub"
        )
        sealing = verbs.add_parser("seal", help="seal the entries that no seal covers yet")
        sealing.add_argument("--every", type=seconds, metavar="SECONDS", help="repeat at this interval")
        _add_verify_options(verbs.add_parser("verify", help="recompute every seal and list the problems"))
        head = verbs.add_parser("head", help="print the number, head and time of the newest seal")
        head.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(options)
        except (KeyProblem, SealError, ReplayError) as error:
            raise CommandError(str(error)) from error

    def _keygen(self, options: dict[str, Any]) -> None:
        public = make_key(options["file"])
        self.stderr.write(
            f"keep {options['file']} away from the database; give {public} to everybody who verifies"
        )

    def _seal(self, options: dict[str, Any]) -> None:
        with interruptible():
            try:
                while True:
                    self._seal_once()
                    if options["every"] is None:
                        return
                    time.sleep(options["every"])
            except KeyboardInterrupt:
                self.stderr.write("stopped; the seals made so far are complete")

    def _seal_once(self) -> None:
        def report(made: AuditSeal) -> None:
            self.stdout.write(f"{made.number} {made.head} {moment(made.made_at)}")
            self.stdout.flush()

        self.stderr.write(f"sealed {seal(report)} entries")

    def _verify(self, options: dict[str, Any]) -> None:
        heads = [head for given in options["head"] for head in _heads(given)]
        verdict = verify(heads, options["most"], replay=options["replay"], known_roles=tuple(options["role"]))
        if options["json"]:
            names = ("problems", "seals", "rows", "unsealed", "head", "replayed")
            self.stdout.write(json.dumps({name: getattr(verdict, name) for name in names}))
        else:
            for problem in verdict.problems:
                self.stdout.write(printable(problem))
        replayed = "" if verdict.replayed is None else f"{verdict.replayed} rows replayed, "
        self.stderr.write(
            f"{verdict.rows} entries, {verdict.seals} seals, {verdict.unsealed} entries not sealed yet, "
            f"{replayed}{len(verdict.problems)} problems"
        )
        if not verdict.is_sound:
            sys.exit(1)

    def _head(self, options: dict[str, Any]) -> None:
        with pinned() as cursor:
            newest = newest_seal(cursor)
        if newest is None:
            raise CommandError("there is no seal yet; `audit seal` makes one")
        result = {"number": newest.number, "head": newest.head, "made_at": moment(newest.made_at)}
        self.stdout.write(json.dumps(result) if options["json"] else " ".join(map(str, result.values())))


def _add_verify_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--head",
        action="append",
        default=[],
        metavar="HEAD|FILE",
        help="a head that was kept elsewhere, or a file of heads",
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="compare every decision, config, account and role with the audit log",
    )
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="NAME",
        help="a role that may act as the owner; repeatable",
    )
    parser.add_argument(
        "--most",
        type=int,
        default=MOST,
        metavar="N",
        help="how many problems of the seals to list (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _heads(given: str) -> list[str]:
    """Heads as they were kept: one in hexadecimal, or a file of lines as `audit head` prints them."""
    if Path(given).is_file():
        words = Path(given).read_text(errors="replace").split()
        found = [word for word in words if _is_head(word)]
        if found:
            return found
    elif _is_head(given):
        return [given]
    raise CommandError(f"{given} holds no head: 64 hexadecimal digits, as `audit head` prints", returncode=2)


def _is_head(word: str) -> bool:
    return len(word) == 64 and set(word.lower()) <= set("0123456789abcdef")
