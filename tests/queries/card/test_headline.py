"""The headline: the odd line, or the sentence of the view that reported the anomaly."""

from __future__ import annotations

from typing import Any

import pytest

from anomalies.models import Anomaly
from anomalies.queries.card.headline import headline, with_headline
from tests.support.factories import make_anomaly

LINE = "2026-11-28 10:00:00 UTC [77] web ERROR: deadlock detected"


SEVERAL = "“a” and lines like it: 6 of 60 (line 9); usual 1 in 1,838"
STEP = "disk_used 73.6%, rose by 40.5 in one step (line 6)"
CASES = [
    ("“web ERROR: dead…” (line 3); nothing like it in the 9 events.", LINE, "web ERROR: deadlock detected"),
    ("For review: “web ERROR: dead…” came 4 times;", LINE, "web ERROR: deadlock detected"),
    ("“web ERROR: dead…” came 4 times; nothing like it.", None, "web ERROR: dead…"),
    ("“500” where “200” is usual: GET /a 500 (line 3).", None, "GET /a 500"),
    ("“no message” (line 3); nothing like it.", '{"time": 1, "msg": "no message"}', "no message"),
    (SEVERAL, LINE, SEVERAL),
    (f"{STEP}\nAlso odd", "1,2", STEP),
    ("“never closed", None, "“never closed"),
    (" \n ", LINE, LINE),
    ("", None, ""),
]


@pytest.mark.parametrize(("said", "odd", "shown"), CASES)
def test_it_is_the_odd_line_or_the_sentence(said, odd, shown):
    assert headline(said, odd) == shown


def event(line: Any, text: Any, odd: Any = False) -> dict[str, Any]:
    return {"line": line, "text": text, "odd": odd}


@pytest.mark.django_db
def test_the_odd_line_is_the_named_one_or_the_first_that_is_marked():
    window = [event(1, "a"), event(2, "b", odd=True), event(3, "c", odd=True)]
    cases: list[tuple[Any, Any, str | None]] = [
        (window, {"odd_line": 3}, "c"),
        (window, {"odd_line": 9}, "b"),
        (window, {"odd_line": "3"}, "b"),
        (window, None, "b"),
        ([event(None, "a"), "text", 7, [event(4, "deep", odd=True)]], {"odd_line": None}, "deep"),
        ({"events": window}, {}, None),
        ("a text", ["odd_line"], None),
        (None, {"odd_line": 1}, None),
        ([event(3, {"k": [1]}, odd=True)], {"odd_line": 3}, '{"k": [1]}'),
    ]
    for window_data, metadata, text in cases:
        made = make_anomaly(window_data=window_data, metadata=metadata)
        assert with_headline(Anomaly.objects.all()).get(pk=made.pk).odd_text == text
