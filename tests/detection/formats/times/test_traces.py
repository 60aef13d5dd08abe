"""A stamp is searched only where a trace of its layout is: no text with a stamp is without one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.detection.formats.times.layouts import LAYOUTS
from anomalies.detection.formats.times.timestamps import TimestampReader

TRACED = [layout for layout in LAYOUTS if layout.traces != (b"",)]
ZEROS = bytes.maketrans(b"123456789", b"000000000")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("layout", TRACED, ids=lambda layout: layout.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_stamp_of_a_layout_has_one_of_its_traces(layout, data):
    text = data.draw(st.from_regex(layout.pattern))
    stamp = layout.pattern.search(text)[0]
    shape = stamp.encode("ascii", "replace").translate(ZEROS)
    assert any(trace in shape for trace in layout.traces)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("2026-11-20 11:00:00 a", "Nov 20 11:00:01 b, since 2026-11-20 11:00:05 UTC"),
        ("Nov 20 11:00:00 a", "x Nov  9 1:00:05 b"),
        ("[20/Nov/2026:11:00:00 +0000] a", '::1 - - [20/Nov/2026:11:00:05 +0000] "GET /"'),
    ],
)
def test_a_stamp_inside_a_line_is_read_as_one_at_its_beginning(first, later):
    clock = TimestampReader(NOON)
    clock.learn([first] * 3)
    found = clock.read(later)
    assert found is not None
    assert found.second == 5


def test_a_stamp_that_comes_again_is_read_again_once_the_reference_has_moved():
    clock = TimestampReader(NOON)
    clock.learn(["Nov 20 11:00:00 a", "Nov 20 11:00:01 b"])
    assert clock.read("Nov 20 11:00:00 a").year == 2026
    clock.move_to(datetime(2027, 11, 20, 12, tzinfo=UTC))
    clock.read("Nov 20 11:00:01 b")
    assert clock.read("Nov 20 11:00:00 a").year == 2027
