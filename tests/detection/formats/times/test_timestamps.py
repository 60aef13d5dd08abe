from datetime import UTC, datetime, timedelta, timezone

import pytest

from anomalies.detection import TimestampReader

REFERENCE = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(text, reference=REFERENCE, zone=UTC):
    return TimestampReader(reference, zone).read(text)


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-11-23 04:22:01.123 UTC [17] LOG:  ready", "2026-11-23T04:22:01.123+00:00"),
        ("2026-11-23T04:22:01Z ready", "2026-11-23T04:22:01+00:00"),
        ("2026-11-23T04:22:01,5+02:00 ready", "2026-11-23T02:22:01.5+00:00"),
        ("2026-11-23 04:22:01-0730 ready", "2026-11-23T11:52:01+00:00"),
        ("2026-11-23 04:22:01.123456789 +01 ready", "2026-11-23T03:22:01.123456+00:00"),
        ("2026-11-23 04:22 ready", "2026-11-23T04:22:00+00:00"),
        ("2026/11/23 04:22:01 [error] 17#17: refused", "2026-11-23T04:22:01+00:00"),
        ("[Sun Dec 04 04:47:44 2005] [notice] ok", "2005-12-04T04:47:44+00:00"),
        ("[Sun Dec 04 04:47:44.250000 2005] [notice] ok", "2005-12-04T04:47:44.25+00:00"),
        ('::1 - - [10/Oct/2000:13:55:36 -0700] "GET /"', "2000-10-10T20:55:36+00:00"),
        ("Jun 14 15:16:01 combo sshd[1]: no", "2026-06-14T15:16:01+00:00"),
        ("Jul  9 12:16:51 combo ftpd[1]: no", "2026-07-09T12:16:51+00:00"),
        ("2026-Nov-23 04:22:01 ready", "2026-11-23T04:22:01+00:00"),
        ("04:22:01,5 2026-11-23 ready", "2026-11-23T04:22:01.5+00:00"),
        ("2026-11-23 04:22:01.5 +0100 CET m=+0.01 ready", "2026-11-23T03:22:01.5+00:00"),
        ("2026-11-23T04:22:01+01:00[Europe/Berlin] ready", "2026-11-23T03:22:01+00:00"),
        ("R02 2005-06-03-15.42.50.363779 R02 RAS", "2005-06-03T15:42:50.363779+00:00"),
        ("081109 203518 143 INFO dfs", "2008-11-09T20:35:18+00:00"),
        ("991109 203518 143 INFO dfs", "1999-11-09T20:35:18+00:00"),
        ("1117838570 2005.06.03 R02", "2005-06-03T22:42:50+00:00"),
        ("1117838570.25 ready", "2005-06-03T22:42:50.25+00:00"),
        ("1117838570123 ready", "2005-06-03T22:42:50.123+00:00"),
        ('{"level":"info","ts":1117838570.5}', "2005-06-03T22:42:50.5+00:00"),
        ('{"time": 1117838570123, "n": 1}', "2005-06-03T22:42:50.123+00:00"),
        ('{"timestamp":"2026-11-23T04:22:01Z"}', "2026-11-23T04:22:01+00:00"),
        ('{"@timestamp":"1117838570"}', "2005-06-03T22:42:50+00:00"),
    ],
)
def test_a_stamp_is_read(line, moment):
    assert read(line) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no stamp here",
        "2026-02-30 04:22:01 ready",
        "2026-13-01T04:22:01Z",
        "2026-11-23 25:00:00",
        "2026-11-23 04:22:01+99:00",
        "0000-01-01 00:00:00",
        "0001-01-01 00:00:00+14:00",
        "0001-01-01 00:00:00 is what an empty date becomes",
        "9999-12-31 23:59:59 is for ever",
        "Feb 30 10:00:00 host",
        "99/Oct/2000:13:55:36 -0700",
        "089999 203518 143 INFO",
        "4111111111111111 is no epoch",
        "12345 started",
        '{"count": 1117838570}',
        "٢٠٢٦-١١-٢٣ ٠٤:٢٢:٠١ digits of another script",
    ],
)
def test_no_stamp_or_an_impossible_one_gives_none(line):
    assert read(line) is None


def test_the_first_stamp_of_a_line_counts():
    line = "Nov 23 04:22:01 backup of 2020-01-01 00:00:00 done"
    assert read(line) == datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)


def test_a_stamp_beyond_200_characters_is_not_looked_for():
    assert read("x" * 200 + " 2026-11-23 04:22:01") is None


def test_a_stamp_without_a_year_is_never_more_than_a_day_after_the_reference():
    assert read("Nov 24 11:59:59 host", REFERENCE) == datetime(2026, 11, 24, 11, 59, 59, tzinfo=UTC)
    assert read("Nov 24 12:00:01 host", REFERENCE) == datetime(2025, 11, 24, 12, 0, 1, tzinfo=UTC)


def test_a_log_over_new_year_keeps_its_order():
    reference = datetime(2026, 1, 2, tzinfo=UTC)
    assert read("Dec 31 23:59:59 host", reference) < read("Jan  1 00:00:00 host", reference)


def test_29_february_belongs_to_the_last_leap_year():
    assert read("Feb 29 10:00:00 host") == datetime(2024, 2, 29, 10, tzinfo=UTC)


def test_the_given_zone_holds_only_where_the_stamp_names_none():
    east = timezone(timedelta(hours=2))
    assert read("2026-11-23 04:00:00", zone=east) == datetime(2026, 11, 23, 2, tzinfo=UTC)
    assert read("2026-11-23 04:00:00 UTC", zone=east) == datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_a_naive_reference_is_refused():
    with pytest.raises(ValueError, match="reference"):
        TimestampReader(datetime(2026, 11, 23))


def test_a_log_that_is_read_while_it_is_written_goes_on_into_the_next_year():
    clock = TimestampReader(datetime(2026, 12, 30, tzinfo=UTC))
    assert clock.read("Jan  2 00:00:01 web: up").year == 2026
    clock.move_to(datetime(2027, 1, 2, tzinfo=UTC))
    assert clock.read("Jan  2 00:00:01 web: up").year == 2027
