"""``manage.py roles``: the database's roles, with least privilege."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from anomalies.schema.roles import (
    APP,
    MIGRATOR,
    SEALER,
    Names,
    RolesError,
    make_roles,
    not_granted,
    statements,
)

from ..base import ShortUsage

NEXT = """\
Next: give each a password (\\password {app} in psql), let the application's DATABASE_URL use {app},
`migrate`, `schema`, `backup` and `roles` be run by {migrator}, and `audit seal` by {sealer}."""


class Command(ShortUsage):
    help = "Create the database roles that migrate, serve and seal, with their privileges."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--migrator", default=MIGRATOR, help=f"the role that owns the tables (default: {MIGRATOR})"
        )
        parser.add_argument("--app", default=APP, help=f"the role of the application (default: {APP})")
        parser.add_argument("--sealer", default=SEALER, help=f"the role of `audit seal` (default: {SEALER})")
        parser.add_argument("--sql", action="store_true", help="print the statements and run none")

    def handle(self, *args: Any, **options: Any) -> None:
        names = Names(options["migrator"], options["app"], options["sealer"])
        if len({names.migrator, names.app, names.sealer}) < 3:
            raise CommandError("The three roles need different names.", returncode=2)
        if options["sql"]:
            self.stdout.write("".join(f"{statement};\n" for statement in statements(names)), ending="")
            return
        try:
            done = make_roles(names)
        except RolesError as error:
            raise CommandError(
                f"{error}. Run it as a superuser, or let one run the output of `roles --sql`."
            ) from error
        for table in not_granted():
            self.stderr.write(f"{table}: the application has no privileges on it")
        self.stderr.write(NEXT.format(app=names.app, migrator=names.migrator, sealer=names.sealer))
        self.stdout.write(f"{len(done)} statements run")
