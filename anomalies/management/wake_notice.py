"""End the snoozes that new anomalies make due, after the commands that store anomalies."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from anomalies.audit import Actor
from anomalies.safe_text import printable
from anomalies.triage.snooze import wake


def wake_and_say(command: BaseCommand, actor: Actor) -> None:
    """End the snoozes that are due and report their number; stored anomalies stay if this fails."""
    try:
        woken = wake(actor)
    except DatabaseError as error:
        first_line = printable(str(error).partition("\n")[0])
        command.stderr.write(f"no snooze was ended: {first_line}; manage.py wake does it")
        return
    if woken:
        command.stderr.write(f"woken {len(woken)}: the condition of a snooze was met")
