"""The probes: open to everybody, by IP, without HTTPS, and true."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

PROBES = ("/healthz", "/readyz")


@pytest.mark.django_db
@pytest.mark.parametrize("path", PROBES)
def test_a_probe_by_ip_over_http_is_answered_in_production(path, settings):
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["driftlock.example.org"]
    answer = Client().get(path, headers={"Host": "10.0.0.7"})
    assert (answer.status_code, answer.content) == (200, b"ok\n" if path == "/healthz" else b"ready\n")


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready_and_named_with_what_to_run():
    MigrationRecorder.Migration.objects.filter(app="anomalies").latest("id").delete()
    answer = Client().get("/readyz")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert "not applied: 1" in answer.json()["detail"] and "manage.py migrate" in answer.json()["detail"]


def test_a_database_that_does_not_answer_is_not_ready_and_the_process_is_alive(monkeypatch):
    def fails(_):
        raise OperationalError("no")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", fails)
    assert [Client().get(path).status_code for path in PROBES] == [200, 503]


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_probe_takes_nothing_but_get_and_head(path, method):
    assert Client().generic(method, path).status_code == 405
