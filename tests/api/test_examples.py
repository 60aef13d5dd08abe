"""The examples of docs/api.md: each curl command gives the status that is written beside it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.test import Client

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.frozen_selection import freeze
from anomalies.triage.rules import NewRule, make
from tests.api.programs import program
from tests.api.test_ingest import lines
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).parents[2] / "docs" / "api.md"
COMMAND = re.compile(r"^(curl .*?)  # (\d{3})$", re.MULTILINE)
OPTIONS = {"-X", "-H", "-d", "--data-binary"}


def run(command: str, names: dict[str, object]) -> int:
    """The status of the answer to a curl command."""
    for name, value in names.items():
        command = command.replace(f"${name}", str(value))
    method, headers, body, (_, *words) = "GET", {}, "", shlex.split(command)
    while words[0] in OPTIONS:
        option, value = words.pop(0), words.pop(0)
        if option == "-X":
            method = value
        elif option == "-H":
            headers.update([value.split(": ", 1)])
        else:
            body = lines(2).decode() if value.startswith("@") else value
    (address,) = words
    kind = headers.pop("Content-Type", "")
    answer = Client(headers=headers).generic(method, address, body, kind)
    answer.getvalue()  # to the end of a stream
    return answer.status_code


def test_each_command_gives_the_status_beside_it(settings):
    settings.API_STREAM_SECONDS = 0
    lead, row = program("lead"), make_anomaly()
    others = Anomaly.objects.filter(pk=make_anomaly().pk).order_by("id")
    bulk = freeze(others, lead.token.owner.username, "dismiss", "all anomalies")
    about = Anomaly.objects.get(pk=make_anomaly(glass_box_explanation="another").pk).pattern
    rule = make(NewRule("snooze", "nightly", pattern=about), Actor(lead.token.owner.username))
    names = {"URL": "", "ID": row.pk, "TOKEN": lead.secret, "BULK": bulk.pk, "RULE": rule.pk}
    names["PATTERN"] = Anomaly.objects.get(pk=row.pk).pattern
    commands = COMMAND.findall(PAGE.read_text())
    assert [(c, run(c, names)) for c, _ in commands] == [(c, int(status)) for c, status in commands]


def test_no_command_is_without_its_status():
    text = PAGE.read_text()
    assert len(COMMAND.findall(text)) == len(re.findall(r"^curl ", text, re.MULTILINE)) > 15
