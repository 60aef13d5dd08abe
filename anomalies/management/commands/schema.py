"""``manage.py schema``: where the schema stands, whether it is as the migrations make it, and the ways on."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anomalies.schema import adopting, roles, state
from anomalies.schema.drift import find_drift
from anomalies.schema.scratch import ScratchError

from ..options import add_actor_option

KNOWN_ROLES = (roles.MIGRATOR, roles.APP, roles.SEALER)


class Command(BaseCommand):
    help = "Say where the schema stands, check it against the migrations, and go down, aside or across."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        version = verbs.add_parser("version", help="the last applied migration, and what is pending or dirty")
        version.add_argument("--json", action="store_true")
        check = verbs.add_parser("check", help="name every difference from what the migrations make")
        check.add_argument("--json", action="store_true")
        check.add_argument(
            "--role", action="append", default=[], metavar="NAME", help="a role whose privileges are meant"
        )
        down = verbs.add_parser("down", help="take migrations back; without --yes says what would be lost")
        down.add_argument("steps", type=int, metavar="N")
        down.add_argument("--yes", action="store_true", help="do it")
        force = verbs.add_parser("force", help="write down that the schema is at a migration; runs nothing")
        force.add_argument("name", metavar="NAME", help="a migration's name or its number, or zero")
        force.add_argument("--anyway", action="store_true", help="even where the catalog says otherwise")

        adopt = verbs.add_parser(
            "adopt", help="take over a database that golang-migrate made; first says how"
        )
        adopt.add_argument("--apply", action="store_true", help="do it")
        adopt.add_argument("--undo", action="store_true", help="bring back what golang-migrate made")
        adopt.add_argument(
            "--no-checksums", action="store_true", help="don't read every row before and after"
        )
        add_actor_option(adopt)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(options)
        except (ScratchError, state.StateError, adopting.AdoptError) as error:
            raise CommandError(str(error)) from error

    def _version(self, options: dict[str, Any]) -> None:
        now = state.state()
        if options["json"]:
            self.stdout.write(json.dumps({"version": now.version, "dirty": now.is_dirty, **asdict(now)}))
            return
        self.stdout.write(now.version)
        for words, names in (
            ("pending", now.pending),
            ("applied, and unknown to this release", now.unknown),
            ("dirty: an index whose build did not end; migrate builds it again", now.invalid_indexes),
        ):
            for name in names:
                self.stdout.write(f"{words}: {name}")
        for version, dirty in now.golang:
            self.stdout.write(f"golang-migrate: {version}{' (dirty)' if dirty else ''}")

    def _check(self, options: dict[str, Any]) -> None:
        known = adopting.known()
        drifted = find_drift((*KNOWN_ROLES, *options["role"]))
        found = [each for each in drifted if (each.kind, each.name) not in known]
        if options["json"]:
            self.stdout.write(json.dumps([{"what": d.what, **asdict(d)} for d in found]))
        else:
            for difference in found:
                self.stdout.write(str(difference))
        pending = state.state().pending
        if pending:
            self.stderr.write(f"pending, and not compared: {', '.join(pending)}")
        if len(drifted) > len(found):
            self.stderr.write(f"{len(drifted) - len(found)} that were there before it was adopted")
        self.stderr.write(f"{len(found)} differences from what the migrations make")
        if found:
            sys.exit(1)

    def _down(self, options: dict[str, Any]) -> None:
        target = state.target_of_down(options["steps"])
        lost = state.losses(target)
        for loss in lost:
            self.stdout.write(f"lost: {loss.name}, {loss.values} values")
        if not options["yes"]:
            self.stderr.write(f"would go down to {target}; nothing was changed; --yes does it")
            return
        state.go_down(target, options["verbosity"])
        self.stderr.write(f"down to {target}; {len(lost)} tables and columns are gone")

    def _force(self, options: dict[str, Any]) -> None:
        name = state.named(options["name"])
        found = state.differences_from(name, KNOWN_ROLES)
        for difference in found:
            self.stderr.write(str(difference))
        if found and not options["anyway"]:
            raise CommandError(
                f"the schema is not what {name} makes ({len(found)} differences); mend it, or --anyway"
            )
        state.force(name)
        self.stdout.write(f"written down: {name}")

    def _adopt(self, options: dict[str, Any]) -> None:
        if options["undo"]:
            adopting.undo(self.stdout.write)
            self.stderr.write("undone: the schema is as golang-migrate made it")
            return
        if options["apply"]:
            planned = adopting.adopt(options["by"], self.stdout.write, not options["no_checksums"])
        else:
            planned = adopting.plan()
            for finding in planned.findings:
                self.stdout.write(str(finding))
        if planned.is_done:
            self.stderr.write("adopted already; nothing to do")
            return
        verdicts = [finding.verdict for finding in planned.findings]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("blocking", "repaired", "harmless"))
        self.stderr.write(f"{counts}; " + ("adopted" if options["apply"] else "nothing was changed; --apply"))
        if planned.blocking:
            sys.exit(1)
