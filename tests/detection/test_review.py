"""The review queue: the oddest windows of a day that were not flagged, never called significant."""

from __future__ import annotations

from itertools import pairwise

from anomalies.detection import Parameters, detect

from .support import events, ordinary, with_foreign


def find(texts, per_day=3, **over):
    return list(detect(events(texts), Parameters(review_per_day=per_day, **over)))


def nothing_flagged(texts, per_day=3):
    return find(texts, per_day, p_value_threshold=0.0)


def dated(texts, days):
    """The lines spread evenly over so many days."""
    return [
        f"2026-11-{1 + index * days // len(texts):02} 12:00:00 {text}" for index, text in enumerate(texts)
    ]


def test_without_being_asked_nothing_is_for_review():
    assert find(with_foreign(600, 400), per_day=0, p_value_threshold=0.0) == []


def test_what_is_for_review_is_never_significant_and_says_so():
    for finding in nothing_flagged(with_foreign(1500, 400, 600, 900)):
        assert finding.review and not finding.is_significant
        assert "For review, not significant: one of the 3 oddest windows of its day" in finding.explanation


def test_the_oddest_windows_of_each_day_are_kept_and_no_more():
    lines = dated(with_foreign(4000, 400, 500, 600, 2400, 2500, 2600), days=2)
    days = [finding.timestamp.day for finding in nothing_flagged(lines, per_day=2)]
    assert days == [1, 1, 2, 2]


def test_a_day_of_few_events_goes_on():
    lines = dated(with_foreign(1400, *range(400, 1300, 100)), days=14)
    assert len(nothing_flagged(lines, per_day=2)) <= 4


def test_they_do_not_touch_each_other():
    found = nothing_flagged(with_foreign(1500, 400, 600, 900), per_day=5)
    assert len(found) > 1
    assert all(
        a.last_line + 1 < b.first_line for a, b in pairwise(sorted(found, key=lambda one: one.first_line))
    )


def test_what_was_flagged_is_not_also_for_review():
    found = find(with_foreign(600, 400))
    flagged = [one for one in found if one.is_significant]
    assert len(flagged) == 1
    for one in found:
        if one.review:
            assert one.last_line + 1 < flagged[0].first_line or flagged[0].last_line + 1 < one.first_line


def test_a_day_that_is_over_is_handed_over_at_once():
    lines = dated(with_foreign(4000, 400, 2500), days=2)
    stream = iter(events(lines))
    first = next(detect(stream, Parameters(review_per_day=1, p_value_threshold=0.0)))
    assert first.timestamp.day == 1
    assert next(stream).number < 2700


def test_a_log_with_nothing_new_in_it_has_nothing_for_review():
    assert all(one.first_line < 200 for one in nothing_flagged(ordinary(1000)))
