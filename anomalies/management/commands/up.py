"""``manage.py up``: prepare the database, then serve the admin. What ``make run`` runs."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.core.servers.basehttp import get_internal_wsgi_application
from django.core.servers.basehttp import run as serve
from django.db import OperationalError
from django.utils import timezone

from anomalies.atomic_file import write_atomically
from anomalies.audit import Actor, acting
from anomalies.audit.keys import make_key
from anomalies.management.sample_times import ending_at
from anomalies.permissions import ROLES
from anomalies.queries.stats import has_run_over

from ..base import ShortUsage

SAMPLES = ("postgresql.log", "nginx.log")


class Command(ShortUsage):
    help = "Migrate, load the sample logs, create the first users, and serve the admin."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the port on 127.0.0.1 (default: 8000)")

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        # Both end it alike; a shell starts a background job with Ctrl-C ignored, and that is undone here.
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, signal.default_int_handler)
        try:
            self._check_port(port)
            self._prepare()
            self._serve(port)
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        except OperationalError as error:
            raise CommandError(str(error).strip()) from error

    def _check_port(self, port: int) -> None:
        """Refuse a port that is out of range or in use, before anything is done."""
        if not 0 < port < 65536:
            raise CommandError(f"{port} is not a port; choose one from 1 to 65535, for example --port 8001.")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                other = port + 1 if port < 65535 else 8000
                hint = f"try --port {other} (make run PORT={other})"
                raise CommandError(f"port {port} can't be used ({error.strerror}); {hint}") from error

    def _prepare(self) -> None:
        self.stderr.write("preparing the database …")
        call_command("migrate", verbosity=0, interactive=False)
        _keep_key(settings.DEVELOPMENT_KEY_FILE)
        _keep_seal_key(settings.DEVELOPMENT_SEAL_KEY_FILE)
        for sample in SAMPLES:
            self._load(sample)
        self._make_users()

    def _load(self, name: str) -> None:
        """Detect what is in a sample, once; its times are moved so that it ends now."""
        sample = settings.SAMPLES / name
        if sample.exists() and not has_run_over(name):
            self.stderr.write(
                f"detecting anomalies in the sample {name}, with its times shifted to end now …"
            )
            copy = settings.DATA_DIR / "samples" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(copy, ending_at(sample.read_bytes(), timezone.now()), replace=True)
            call_command("detect", str(copy), tags=["sample"], by="driftlock")

    def _make_users(self) -> None:
        """One user of each role on a first run; the passwords are printed once and stored as hashes only."""
        if User.objects.exists():
            return
        self.stdout.write("The first users; their passwords are shown only once:")
        with acting(Actor("driftlock", via="up")):
            for role in (*ROLES, "admin"):
                self.stdout.write(f"  {role:8} {self._make_user(role)}")

    def _make_user(self, role: str) -> str:
        password = secrets.token_urlsafe(9)
        user = User.objects.create_user(role, password=password, is_staff=True, is_superuser=role == "admin")
        user.groups.set(Group.objects.filter(name=role))
        return password

    def _serve(self, port: int) -> None:
        def announce(bound: Any) -> None:
            self.stdout.write(f"Driftlock is on http://127.0.0.1:{bound}/  (Ctrl-C stops it)")
            self.stdout.flush()

        serve("127.0.0.1", port, get_internal_wsgi_application(), threading=True, on_bind=announce)


def _keep_seal_key(file: Path) -> None:
    """Make a key that seals this data and signs its bundles, unless one is given or made already."""
    is_given = settings.PRODUCTION or {"DRIFTLOCK_SEAL_KEY", "DRIFTLOCK_SEAL_KEY_FILE"} & os.environ.keys()
    if not is_given and not file.exists():
        make_key(file)
        settings.SEAL_KEY = file.read_text()  # what a later start reads


def _keep_key(file: Path) -> None:
    """Keep this process's secret key in ``file``, unless one is given or kept: logins outlive a restart."""
    is_given = settings.PRODUCTION or {"SECRET_KEY", "SECRET_KEY_FILE"} & os.environ.keys()
    if not is_given and not (file.exists() and file.read_text().strip()):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, settings.SECRET_KEY.encode(), replace=True)
