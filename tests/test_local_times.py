"""Local times, also in the hour that comes twice when clocks are put back, and the one that is left out."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils import timezone

from anomalies.local_times import boundary_text, input_text, kept_text, of_the_desk, zone_mark
from anomalies.models import Anomaly
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import make_anomaly

SUMMER = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, before clocks are put back
WINTER = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 once more


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


def filtered(**values):
    query = QueryDict(mutable=True)
    query.update(values)
    return AnomalyFilter(query, queryset=Anomaly.objects.all())


@pytest.mark.parametrize(
    ("moment", "mark"),
    [(SUMMER, " CEST +02:00"), (WINTER, " CET +01:00"), (datetime(2026, 10, 25, 3, tzinfo=UTC), "")],
)
def test_a_moment_has_zone_and_offset_where_another_one_looks_alike(moment, mark):
    assert zone_mark(moment) == mark


def test_a_zone_without_a_name_has_its_offset_once():
    with timezone.override(ZoneInfo("America/Sao_Paulo")):
        assert zone_mark(datetime(2019, 2, 17, 1, 30, tzinfo=UTC)) == " -02:00"


@pytest.mark.django_db
@pytest.mark.parametrize("moment", [SUMMER, WINTER])
def test_the_two_moments_of_one_local_time_are_filtered_apart(moment):
    rows = {each: make_anomaly(timestamp=each) for each in (SUMMER, WINTER)}
    after = input_text(datetime(2026, 10, 25, 3, tzinfo=UTC))
    found = filtered(since=input_text(moment), until=after).qs
    assert {row.pk for row in found} == {rows[each].pk for each in (SUMMER, WINTER) if each >= moment}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "2026-10-25T02:30",
            "02:30 comes twice on 2026-10-25 in Europe/Berlin: "
            "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00.",
        ),
        (
            "2026-03-29T02:30:00",
            "02:30 does not exist on 2026-03-29 in Europe/Berlin: clocks are put forward then.",
        ),
    ],
)
def test_a_local_time_that_is_not_one_moment_is_refused_and_stays_in_a_field_that_takes_an_offset(
    value, words
):
    form = filtered(since=value).form
    assert form.errors["since"] == [words]
    assert 'type="text"' in str(form["since"]) and value in str(form["since"])


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("2026-10-25T02:30:00+01:00", "text", "2026-10-25T02:30:00+01:00"),
        ("2026-11-01T10:00:00Z", "datetime-local", "2026-11-01T11:00:00"),
        ("2026-11-01T10:00", "datetime-local", "2026-11-01T10:00"),
        ("", "datetime-local", ""),
        ("rubbish", "text", "rubbish"),
    ],
)
def test_the_field_shows_the_moment_that_is_filtered_by(value, kind, shown):
    field = str(filtered(since=value).form["since"])
    assert f'type="{kind}"' in field and (f'value="{shown}"' in field or not shown)


@pytest.mark.parametrize(
    ("zone", "midnight", "text"),
    [
        ("Africa/Cairo", datetime(2026, 4, 24), "2026-04-24T01:00:00"),
        ("America/Havana", datetime(2026, 11, 1), "2026-11-01T00:00:00-04:00"),
        ("Europe/Berlin", datetime(2026, 11, 1), "2026-11-01T00:00:00"),
    ],
)
def test_a_day_begins_with_the_first_moment_that_it_has(settings, zone, midnight, text):
    settings.TIME_ZONE = zone
    assert boundary_text(midnight) == text


def test_an_address_has_the_offset_for_a_reader_with_a_zone_of_their_own():
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert input_text(SUMMER) == "2026-10-25T09:30:00+09:00"
        assert kept_text("2026-10-25T09:30") == "2026-10-25T09:30:00+09:00"
        assert of_the_desk("2026-11-25T09:30") == "2026-11-25T09:30:00+01:00"
    assert kept_text("2026-11-25T09:30") == of_the_desk("2026-11-25T09:30") == "2026-11-25T09:30"
