"""``manage.py accounts``: which account somebody of the OpenID Connect provider signs in to."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from anomalies.audit import Actor, acting
from anomalies.safe_text import printable
from anomalies.sign_in import second_factor
from anomalies.sign_in.accounts import LinkError, link, unlink

from ..base import ShortUsage
from ..options import add_actor_option, counted


class Command(ShortUsage):
    help = "Link accounts to people of the sign-in provider, or remove links and second factors."

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", metavar="link|unlink|reset-factors", required=True)
        linking = steps.add_parser("link", help="let a person of the provider sign in to an account")
        linking.add_argument("username", metavar="USERNAME", help="the account")
        linking.add_argument("subject", metavar="SUBJECT", help="the claim `sub` of the person's ID tokens")
        unlinking = steps.add_parser("unlink", help="remove the links of an account")
        unlinking.add_argument("username", metavar="USERNAME", help="the account")
        resetting = steps.add_parser("reset-factors", help="remove the second factors of an account")
        resetting.add_argument("username", metavar="USERNAME", help="the account")
        for each in (linking, unlinking, resetting):
            add_actor_option(each)

    def handle(self, *args: Any, **options: Any) -> None:
        account = User.objects.filter(username=options["username"]).first()
        if account is None:
            raise CommandError(f"There is no account {printable(options['username'])}.")
        with acting(Actor(options["by"], via="accounts")):
            if options["step"] == "link":
                self._link(account, options["subject"])
            elif options["step"] == "reset-factors":
                self.stdout.write(f"{counted(second_factor.reset(account), 'factor')} removed")
            else:
                self.stdout.write(f"{counted(unlink(account), 'link')} removed")

    def _link(self, account: User, subject: str) -> None:
        if settings.OIDC is None:
            raise CommandError("No provider is configured: set DRIFTLOCK_OIDC_ISSUER.", returncode=2)
        try:
            link(account, settings.OIDC.issuer, subject)
        except LinkError as error:
            raise CommandError(printable(str(error))) from error
        self.stdout.write(f"{printable(subject)} signs in as {printable(account.username)}")
