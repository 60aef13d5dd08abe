"""Words, source and pattern of an anomaly: by triggers for new rows, by ``schema fill`` for older ones."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from anomalies.models import Anomaly, AuditLog, Pattern
from anomalies.queries import hourly_rollup
from anomalies.schema.migrate.derived_columns import fill
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db

TRIGGERS = ("words_of_anomaly", "write_pattern_of_anomaly")


def words(anomaly: Anomaly) -> str | None:
    """The stored words, without their places."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT strip(search_document)::text FROM anomalies WHERE id = %s", [anomaly.pk])
        return cursor.fetchone()[0]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def old() -> Anomaly:
    """An anomaly from before these columns."""
    return before(*TRIGGERS)


def before(*triggers: str) -> Anomaly:
    """An anomaly from before the columns that these triggers write."""
    for trigger in triggers:
        execute(f"ALTER TABLE anomalies DISABLE TRIGGER {trigger}")
    anomaly = make_anomaly(glass_box_explanation="lost client", metadata={"service": "web"})
    for trigger in triggers:
        execute(f"ALTER TABLE anomalies ENABLE ALWAYS TRIGGER {trigger}")
    return anomaly


def test_a_new_anomaly_is_stored_with_its_words():
    assert words(make_anomaly(glass_box_explanation="lost client", notes="db")) == "'client' 'db' 'lost'"


def test_the_words_follow_the_notes():
    anomaly = make_anomaly(glass_box_explanation="lost")
    Anomaly.objects.filter(pk=anomaly.pk).update(notes="found")
    assert words(anomaly) == "'found' 'lost'"


def test_what_a_writer_gives_as_words_is_replaced():
    anomaly = make_anomaly(glass_box_explanation="lost")
    execute("UPDATE anomalies SET search_document = 'other'")
    assert words(anomaly) == "'lost'"


def test_an_anomaly_from_before_is_found_without_its_words_stored(old):
    assert (words(old), list(Anomaly.objects.search("client"))) == (None, [old])


def test_filling_stores_the_words_of_anomalies_from_before(old):
    assert sum(filled for filled, _ in fill(batch=1)) == 1
    assert words(old) == "'client' 'lost'"


def test_filling_stores_source_and_pattern_and_counts_it(old):
    assert (old_values(old), patterns()) == ((None, None), [])
    list(fill())
    hourly_rollup.fold()
    pattern = Pattern.objects.get()
    assert old_values(old) == ("web", pattern.key)
    assert (pattern.template, pattern.pending, hourly_rollup.differences()) == ("lost client", 1, [])


def old_values(anomaly: Anomaly) -> tuple:
    return Anomaly.objects.values_list("source", "pattern").get(pk=anomaly.pk)


def patterns() -> list[tuple]:
    hourly_rollup.fold()
    return list(Pattern.objects.values_list("source", "template"))


@pytest.mark.parametrize("triggers", [TRIGGERS, TRIGGERS[:1], TRIGGERS[1:]])
def test_filling_is_no_change_of_an_anomaly(triggers):
    old = before(*triggers)
    former = Anomaly.objects.values("version", "updated_at").get(pk=old.pk)
    entries = AuditLog.objects.count()
    assert sum(filled for filled, _ in fill()) == 1
    assert Anomaly.objects.values("version", "updated_at").get(pk=old.pk) == former
    assert AuditLog.objects.count() == entries


def test_a_change_of_texts_that_also_fills_is_a_change(old):
    Anomaly.objects.filter(pk=old.pk).update(notes="found")
    assert Anomaly.objects.get(pk=old.pk).version == old.version + 1


def test_the_command_says_how_many_were_filled(old, capsys):
    call_command("schema", "fill")
    assert "1 anomalies filled" in capsys.readouterr().err
    call_command("schema", "fill")
    assert "0 anomalies filled" in capsys.readouterr().err
