"""``manage.py dumpdata`` and ``loaddata``: accounts go out and in, the audited tables are refused."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from anomalies.models import SavedFilter

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("labels", [[], ["anomalies"], ["auth", "anomalies.anomaly"]])
def test_a_dump_of_the_audited_tables_is_refused_and_names_backup_and_export(labels):
    with pytest.raises(CommandError, match=r"`backup FILE`.*`export`"):
        call_command("dumpdata", *labels)


@pytest.mark.parametrize("arguments", [["auth.user"], ["--exclude", "anomalies"]])
def test_accounts_go_out_and_in_again(arguments, tmp_path):
    User.objects.create_user("ana")
    call_command(
        "dumpdata", *arguments, "--natural-foreign", "--natural-primary", output=str(tmp_path / "f.json")
    )
    User.objects.all().delete()
    call_command("loaddata", str(tmp_path / "f.json"), verbosity=0)
    assert User.objects.filter(username="ana").exists()


def test_a_fixture_with_rows_of_ours_is_refused_as_a_whole(tmp_path):
    user = {"model": "auth.user", "pk": 900, "fields": {"username": "eve", "password": "x"}}
    ours = {"model": "anomalies.savedfilter", "pk": 1, "fields": {"owner": 900, "name": "n", "query": "q"}}
    (tmp_path / "f.json").write_text(json.dumps([user, ours]))
    with pytest.raises(CommandError, match="Nothing was loaded"):
        call_command("loaddata", str(tmp_path / "f.json"), verbosity=0)
    assert not User.objects.filter(username="eve").exists() and not SavedFilter.objects.exists()
