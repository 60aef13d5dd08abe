"""``manage.py schema``: the schema's version, drift, and how to revert or adopt."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection

from anomalies.schema import adopt, roles
from anomalies.schema.contract_tables import check_that_it_is_adopted, effect_of_down
from anomalies.schema.drift import find_drift
from anomalies.schema.drift_fixes import advice, filled_tables
from anomalies.schema.migrate import derived_columns, migration_state
from anomalies.schema.poolers import PoolerError, own_session
from anomalies.schema.scratch_database import ScratchError

from ..base import ShortUsage
from ..options import add_actor_option, printable_lines, seconds
from ..progress import interruptible

KNOWN_ROLES = (roles.MIGRATOR, roles.APP, roles.SEALER)


class Command(ShortUsage):
    help = "Show the schema version, check for drift, revert migrations, or adopt a database."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="version|check|down|force|fill|adopt"
        )
        version = verbs.add_parser(
            "version", help="print the last applied migration, and pending or dirty ones"
        )
        version.add_argument("--json", action="store_true", help="print it as JSON")
        check = verbs.add_parser(
            "check", help="list every difference between the database and its migrations"
        )
        check.add_argument("--json", action="store_true", help="print one JSON array")
        check.add_argument(
            "--role",
            action="append",
            default=[],
            metavar="NAME",
            help="a role whose privileges are intended; repeatable",
        )
        _add_scratch(check)
        down = verbs.add_parser(
            "down", help="revert migrations; without --yes list the data that would be lost"
        )
        down.add_argument("steps", type=int, metavar="N", help="the number of migrations")
        down.add_argument("--yes", action="store_true", help="revert them")
        _add_scratch(down)
        force = verbs.add_parser("force", help="record a migration as the current one without running any")
        force.add_argument("name", metavar="NAME", help="a migration's name or its number, or zero")
        force.add_argument(
            "--anyway", action="store_true", help="even if the schema differs from that migration"
        )
        _add_scratch(force)
        verbs.add_parser(
            "fill", help="store search words, source and pattern of anomalies from before these columns"
        )
        adopting = verbs.add_parser(
            "adopt", help="take over a database that golang-migrate made; without --apply show the plan"
        )
        _add_adopt_options(adopting)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with interruptible():  # a scratch database is dropped on SIGTERM too
                getattr(self, f"_{verb}")(options)
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=130) from None
        except (ScratchError, migration_state.StateError, adopt.AdoptError, PoolerError) as error:
            raise CommandError(printable_lines(str(error))) from error
        except DatabaseError as error:
            raise CommandError(printable_lines(str(error).strip())) from error

    def _version(self, options: dict[str, Any]) -> None:
        now = migration_state.state()
        if options["json"]:
            self.stdout.write(json.dumps({"version": now.version, "dirty": now.is_dirty, **asdict(now)}))
            return
        self.stdout.write(now.version)
        for words, names in (
            ("pending", now.pending),
            ("applied, and unknown to this release", now.unknown),
            ("dirty: an index whose build was interrupted; migrate builds it again", now.invalid_indexes),
        ):
            for name in names:
                self.stdout.write(f"{words}: {name}")
        for version, dirty in now.golang:
            self.stdout.write(f"golang-migrate: {version}{' (dirty)' if dirty else ''}")
        if lost := effect_of_down():
            self.stderr.write(lost)

    def _check(self, options: dict[str, Any]) -> None:
        if lost := effect_of_down():
            self.stderr.write(lost)
        with own_session(connection):
            check_that_it_is_adopted()
            drifted, wanted, live = find_drift((*KNOWN_ROLES, *options["role"]), options["scratch"])
        found = adopt.without_known(drifted)
        filled = filled_tables(found)
        rows = [
            {"what": each.what, **asdict(each), "to_do": advice(each, wanted, live, filled)} for each in found
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
        else:
            for difference, words in zip(found, rows, strict=True):
                self.stdout.write(f"{difference}\n    to do:    {words['to_do']}")
        pending = migration_state.state().pending
        if pending:
            self.stderr.write(f"pending, and not compared: {', '.join(pending)}")
        if len(drifted) > len(found):
            self.stderr.write(f"{len(drifted) - len(found)} that existed before the adoption")
        self.stderr.write(f"{len(found)} differences from the migrations")
        if found or lost:
            sys.exit(1)

    def _down(self, options: dict[str, Any]) -> None:
        with own_session(connection):
            target = migration_state.target_of_down(options["steps"])
            lost = migration_state.losses(target, options["scratch"])
        for loss in lost:
            self.stdout.write(f"lost: {loss.name}, {loss.values} values")
        if not options["yes"]:
            self.stderr.write(f"would revert to {target}; nothing was changed; --yes reverts them")
            return
        migration_state.go_down(target, options["verbosity"])
        self.stderr.write(f"reverted to {target}; {len(lost)} tables and columns were dropped")

    def _force(self, options: dict[str, Any]) -> None:
        name = migration_state.named(options["name"])
        with own_session(connection):
            found = migration_state.differences_from(name, KNOWN_ROLES, options["scratch"])
        for difference in found:
            self.stderr.write(str(difference))
        if found and not options["anyway"]:
            raise CommandError(
                f"the schema is not what {name} makes ({len(found)} differences); correct it, or use --anyway"
            )
        migration_state.force(name)
        self.stdout.write(f"recorded: {name}")

    def _fill(self, options: dict[str, Any]) -> None:
        filled = passed_over = 0
        for number, others in derived_columns.fill():
            filled, passed_over = filled + number, passed_over + others
        self.stderr.write(f"{filled:,} anomalies filled")
        if passed_over:
            self.stderr.write(f"{passed_over:,} were being changed; run it again for them")

    def _adopt(self, options: dict[str, Any]) -> None:
        if options["undo"]:
            adopt.undo(self.stdout.write, options["patience"])
            self.stderr.write("undone: the schema is as golang-migrate made it")
            return
        if options["apply"]:
            with_checksums = not options["no_checksums"]
            planned = adopt.adopt(
                options["by"], self.stdout.write, with_checksums, options["scratch"], options["patience"]
            )
        else:
            planned = adopt.plan(options["scratch"])
        if planned.is_done:
            self.stderr.write("adopted already; nothing to do")
            return
        done = options["apply"] and not planned.blocking
        for finding in planned.blocking if done else planned.findings:
            self.stdout.write(str(finding))
        verdicts = [finding.verdict for finding in planned.findings]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("blocking", "repaired", "harmless"))
        self.stderr.write(f"{counts}; " + _outcome(planned, done))
        if planned.blocking:
            sys.exit(1)


def _outcome(planned: adopt.Adoption, done: bool) -> str:
    if done:
        return "adopted"
    return "nothing was changed; " + (
        "resolve the blocking differences first" if planned.blocking else "--apply does this"
    )


def _add_adopt_options(parser: CommandParser) -> None:
    parser.add_argument("--apply", action="store_true", help="adopt it")
    parser.add_argument("--undo", action="store_true", help="restore the schema that golang-migrate made")
    parser.add_argument("--no-checksums", action="store_true", help="compare no checksums of the rows")
    parser.add_argument(
        "--patience",
        type=seconds,
        default=adopt.PATIENCE,
        metavar="SECONDS",
        help="how long to wait for a running golang-migrate (default: %(default)s)",
    )
    add_actor_option(parser)
    _add_scratch(parser)


def _add_scratch(parser: CommandParser) -> None:
    parser.add_argument(
        "--scratch", metavar="NAME", help="an empty database on the server to build in, without CREATEDB"
    )
