"""The time of a record."""

from datetime import UTC, datetime

import pytest

from ..support import events, fresh_clock, read

MOMENT = datetime(2026, 11, 1, 10, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        {"timestamp": "2026-11-01T10:00:00.250Z"},
        {"time": "2026-11-01 11:00:00.25+01:00"},
        {"ts": 1793527200.25},
        {"time": 1793527200250},
        {"__REALTIME_TIMESTAMP": "1793527200250000", "__MONOTONIC_TIMESTAMP": "7"},
        {"timeUnixNano": "1793527200250000000"},
        {"observedTimeUnixNano": "1793527200250000000"},
        {"timeUnixNano": "0", "observedTimeUnixNano": 1793527200250000000},
        {"requestReceivedTimestamp": "2026-11-01T10:00:00.250000Z", "stageTimestamp": "2026-11-01T10:00:01Z"},
        {"stageTimestamp": "2026-11-01T10:00:00.250000Z"},
        {"timestamp": {"seconds": 1793527200, "nanos": 250_000_000}},
        {"timestamp": {"seconds": "1793527200", "nanos": 250_000_000}},
        {"instant": {"epochSecond": 1793527200, "nanoOfSecond": 250_000_000}},
        {"t": {"$date": "2026-11-01T10:00:00.250Z"}},
        {"t": {"$date": {"$numberLong": "1793527200250"}}},
        {"ts": [1793527200, 250_000_000]},
        {"instant": [2026, 11, 1, 10, 0, 0, 250_000_000]},
        {"@timestamp": ["2026-11-01T10:00:00.250Z"]},
        {"TimeCreated": "/Date(1793527200250)/"},
        {"SystemTime": 134_380_008_002_500_000},
        {"time": "Nov 1, 2026 @ 10:00:00.250"},
        {"time": "2026-11-01 10:00:00.25 +0000 UTC m=+1.25"},
        {"request_created_at": "2026-11-01T10:00:00.250Z"},
        {"response": {"body": {"created": 1793527200.25}}},
        {
            "Event": {
                "System": {"TimeCreated": {"#attributes": {"SystemTime": "2026-11-01T10:00:00.2500000Z"}}}
            }
        },
        {"date": "01.11.2026 10:00:00.250"},
        {"time": "01/Nov/2026:10:00:00.250 +0000"},
        {"time": f"@{2**62 + 10 + 1793527200:016x}{250_000_000:08x}"},
        {"time": "no time", "created": "2026-11-01T10:00:00.250Z"},
        {"DATE": "Nov  1 10:00:00.250"},
        {"EdgeStartTimestamp": 1793527200250000000},
    ],
    ids=str,
)
def test_a_time_is_read_however_it_is_written(time):
    assert events([{"msg": "ready", **time}], "logs")[0].timestamp == MOMENT


def test_the_path_of_the_time_can_be_named():
    record = {"time": "2020-01-01T00:00:00Z", "meta": {"log.when": 1793527200.25}, "msg": "ready"}
    clock = fresh_clock(time_field="meta.log.when")
    event = events([record], clock=clock)[0]
    assert event.timestamp == MOMENT
    assert ("time", "2020-01-01T00:00:00Z") in event.fields


def test_a_path_that_no_record_has_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match='line 1: there is no field "when" for the time; the fields are level, msg'
    ):
        read([{"msg": "ready", "level": "info"}], clock=fresh_clock(time_field="when"))


def test_dates_in_numbers_are_read_in_the_order_that_the_records_show():
    records = [{"time": "03/04/2026 10:00:00", "msg": "a"}, {"time": "03/13/2026 10:00:00", "msg": "b"}]
    assert [event.timestamp.month for event in events(records)] == [3, 3]
    with pytest.raises(ValueError, match="--date-order"):
        read(records[:1])


def test_a_record_without_a_time_has_that_of_its_message():
    records = [{"log": f"2026-11-01 10:00:0{n} ready", "stream": "stdout"} for n in range(3)]
    assert [event.timestamp.second for event in events(records)] == [0, 1, 2]


def test_a_duration_by_the_name_of_a_time_is_a_value():
    event = events([{"timestamp": "2026-11-01T10:00:00Z", "time": 0.25, "size": 7}], "metrics")[0]
    assert dict(event.values) == {"time": 0.25, "size": 7}
