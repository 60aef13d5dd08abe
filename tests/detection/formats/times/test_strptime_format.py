"""Timestamps of a format that the user names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalies.detection import TimestampReader

REFERENCE = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(text, time_format, zone=UTC):
    return TimestampReader(REFERENCE, zone, time_format).read(text)


@pytest.mark.parametrize(
    ("time_format", "line", "moment"),
    [
        ("%d/%m/%Y %H:%M:%S", "23/11/2026 04:22:01 ready", "2026-11-23T04:22:01+00:00"),
        ("%d.%m.%Y %H:%M", "[INFO] 23.11.2026 04:22 ready", "2026-11-23T04:22+00:00"),
        ("%Y%m%dT%H%M%S%z", "20261123T042201+0200 ready", "2026-11-23T02:22:01+00:00"),
        ("%Y-%m-%d %H:%M:%S %Z", "2026-11-23 04:22:01 CEST ready", "2026-11-23T04:22:01+00:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-23 04:22:01.123456789 ready", "2026-11-23T04:22:01.123456+00:00"),
        ("%b %d %I:%M:%S %p", "Nov 23 04:22:01 AM ready", "2026-11-23T04:22:01+00:00"),
        ("%d %b", "29 Feb ready", "2024-02-29T00:00:00+00:00"),
        ("%y%j %H%M", "26327 0422 ready", "2026-11-23T04:22:00+00:00"),
        ("%c", "Mon Nov 23 04:22:01 2026 ready", "2026-11-23T04:22:01+00:00"),
        ("100%% %Y-%m-%d", "100% 2026-11-23", "2026-11-23T00:00:00+00:00"),
    ],
)
def test_a_stamp_of_the_format_given_is_read(time_format, line, moment):
    assert read(line, time_format) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "line", ["", "ready", "2026-11-23T04:22:01Z", "31/02/2026 04:22", "x" * 200 + "23/11/2026 04:22"]
)
def test_nothing_else_is_read(line):
    assert read(line, "%d/%m/%Y %H:%M") is None


def test_the_given_zone_holds_where_the_stamp_names_none():
    east = timezone(timedelta(hours=2))
    assert read("23/11/2026 04:00", "%d/%m/%Y %H:%M", east) == datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert read("23/11/2026 04:00 UTC", "%d/%m/%Y %H:%M %Z", east) == datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_a_whole_field_is_of_the_format():
    reader = TimestampReader(REFERENCE, UTC, "%Y%m%d")
    assert reader.read_field("20261123") == datetime(2026, 11, 23, tzinfo=UTC)
    assert reader.read_field("20261123 ready") is None


@pytest.mark.parametrize(
    ("time_format", "words"),
    [
        ("", "names no date"),
        ("%H:%M:%S", "names no date"),
        ("%Y-%m", "names no date"),
        ("%Y-%m-%d %Q", "%Q is no directive"),
        ("%Y-%m-%d %", "is no directive"),
        ("%Y-%m-%d %d", "%d is there twice"),
    ],
)
def test_a_bad_format_is_refused_at_the_start(time_format, words):
    with pytest.raises(ValueError, match=words):
        TimestampReader(REFERENCE, UTC, time_format)


@pytest.mark.parametrize(
    ("field", "moment"),
    [
        ("2024-01-02T03:04:05.123456789Z", "2024-01-02T03:04:05.123456+00:00"),
        ("2024-01-02T03:04:05,5+01:00", "2024-01-02T02:04:05.5+00:00"),
        ("2024-01-02", "2024-01-02T00:00:00+00:00"),
        ("1117838570", "2005-06-03T22:42:50+00:00"),
        ("1117838570123456789", "2005-06-03T22:42:50.123456+00:00"),
    ],
)
def test_a_whole_field_is_read_as_a_moment(field, moment):
    assert TimestampReader(REFERENCE).read_field(field) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("field", ["", "7", "1117838570 ready", "2024-01-02 INFO", "2024-02-30"])
def test_a_field_that_says_more_or_less_is_none(field):
    assert TimestampReader(REFERENCE).read_field(field) is None


def test_the_stamp_of_rfc_5424_is_read():
    line = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - failed"
    assert TimestampReader(REFERENCE).read(line) == datetime(2003, 10, 11, 22, 14, 15, 3000, tzinfo=UTC)


@given(
    time_format=st.text()
    | st.lists(st.sampled_from("%Y %m %d %H %b %j %z %Z %f %U %a %G %V %u -".split())).map("".join),
    line=st.text(),
)
def test_any_format_is_refused_clearly_or_reads_any_line(time_format, line):
    try:
        reader = TimestampReader(REFERENCE, UTC, time_format)
    except ValueError:
        return
    for text in (line, REFERENCE.strftime(time_format)):
        assert reader.read(text) is None or reader.read(text).tzinfo is UTC
