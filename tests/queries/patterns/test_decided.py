"""The decisions about a pattern, and the one that they propose for its next anomaly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries.patterns import decided
from anomalies.queries.patterns.decided import PatternFacts, pattern_of, with_pattern
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


def facts(anomaly: Anomaly) -> PatternFacts:
    found = pattern_of(with_pattern(Anomaly.objects.all()).get(pk=anomaly.pk))
    assert found is not None
    return found


def after(*decisions: tuple[str, str | None], **over: Any) -> PatternFacts:
    """The facts of a pending anomaly after these decisions about its pattern."""
    for hours, (action, reason) in enumerate(decisions):
        made = make_anomaly(timestamp=NOON - timedelta(hours=hours + 1))
        decide(action, [made.pk], Actor("ana"), reason=reason)
    return facts(make_anomaly(**over))


def test_equal_decisions_are_proposed():
    found = after(*[("dismiss", "known_harmless")] * 4)
    assert found.in_words == "4 of 4 like this were dismissed as known and harmless"
    assert found.proposal is not None
    assert (found.proposal.action, found.proposal.reason) == ("dismiss", "known_harmless")


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([], ""),
        ([("dismiss", "duplicate")], "The only one like this that was decided was dismissed as duplicate"),
        (
            [("acknowledge", None), ("dismiss", "other"), ("dismiss", "other")],
            "2 of 3 like this were dismissed as other",
        ),
    ],
)
def test_one_decision_or_different_ones_propose_nothing(decisions, words):
    found = after(*decisions)
    assert (found.in_words, found.proposal) == (words, None)


def test_the_last_decision_says_who_when_and_which():
    for hour, (status, who) in enumerate([("acknowledged", "bo"), ("dismissed", "ana")]):
        made = {"status": status, f"{status}_by": who, f"{status}_at": NOON + timedelta(hours=hour)}
        make_anomaly(**made, dismissal_reason="other" if who == "ana" else None)
    last = facts(make_anomaly()).decisions[0]
    assert (last.words, last.by, last.at) == ("dismissed as other", "ana", NOON + timedelta(hours=1))


def test_the_anomaly_itself_and_other_patterns_do_not_count():
    make_anomaly(status="dismissed", dismissed_at=NOON, glass_box_explanation="something else")
    itself = make_anomaly(status="dismissed", dismissed_at=NOON, dismissal_reason="other")
    found = facts(itself)
    assert (found.decisions, found.counts["dismissed"], found.total) == ((), 1, 1)


def test_a_dismissal_without_a_reason_is_not_proposed():
    for _ in range(2):
        make_anomaly(status="dismissed", dismissed_at=NOON)
    found = facts(make_anomaly())
    assert (found.in_words, found.proposal) == ("2 of 2 like this were dismissed", None)


def test_of_many_decisions_the_newest_are_read(monkeypatch):
    monkeypatch.setattr(decided, "MOST", 2)
    assert after(*[("dismiss", "other")] * 3).in_words.startswith("2 of the newest 2 like this")


def test_a_row_without_a_pattern_has_no_facts():
    anomaly = make_anomaly()
    anomaly.pattern_text = None
    assert pattern_of(anomaly) is None


def test_a_time_that_python_cannot_hold_is_none():
    with connection.cursor() as cursor:
        make_anomaly(status="dismissed", dismissal_reason="other", dismissed_at=NOON)
        cursor.execute("ALTER TABLE anomalies DISABLE TRIGGER USER")
        cursor.execute("UPDATE anomalies SET dismissed_at = 'infinity'")
        cursor.execute("ALTER TABLE anomalies ENABLE TRIGGER USER")
    assert facts(make_anomaly()).decisions[0].at is None
