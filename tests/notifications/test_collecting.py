"""From arrivals to digests: an anomaly counts once for each rule that it matches, however late it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, NotificationArrival, NotificationDelivery, NotificationRule
from anomalies.notifications.collecting import collect_once
from anomalies.notifications.rules import SYSTEM, stop
from tests.support.databases import connect, run
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process was killed."""


@contextmanager
def killed_at(nth: int) -> Iterator[list[str]]:
    """The nth statement is not executed; what was open is rolled back, as when a process is killed."""
    seen: list[str] = []

    def count_down(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            seen.append(sql)
            if len(seen) == nth:
                raise Killed
        return execute(sql, *rest)

    with connection.execute_wrapper(count_down):
        yield seen


def collect(**given: Any) -> None:
    while collect_once(**given):
        pass


def totals() -> dict[str, int]:
    """The number that each rule's digests have, by the rule's name."""
    found: dict[str, int] = {}
    for name, total in NotificationDelivery.objects.values_list("rule__name", "total"):
        found[name] = found.get(name, 0) + total
    return found


def insert(number: int, **over: str) -> None:
    """Insert so many anomalies by one statement, each with a pattern of its own."""
    values = {"ncd": "0.7", "words": "'line ' || chr(97 + n / 26 % 26) || chr(97 + n % 26)", **over}
    run(
        "INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation, "
        "compression_baseline, compression_window, compression_combined, compression_ratio_change, "
        "confidence_level, is_statistically_significant, baseline_data, window_data) "
        f"SELECT now(), 'logs', {values['ncd']}, 0.01, {values['words']}, 0.2, 0.5, 0.3, 150, 0.99, true, "
        f"'[]', '[]' FROM generate_series(1, {number}) AS n"
    )


def stored_before(anomaly: Anomaly) -> None:
    """Let an anomaly of this test, which is one transaction, have been stored before the others."""
    Anomaly.objects.filter(pk=anomaly.pk).update(created_at=timezone.now() - timedelta(seconds=9))


def test_without_a_rule_nothing_is_queued(lead):
    make_anomaly()
    assert not NotificationArrival.objects.exists()


def test_a_stopped_rule_queues_nothing(rule):
    stop([rule().pk], Actor("lead"))
    make_anomaly()
    assert not NotificationArrival.objects.exists()


def test_thousands_within_a_window_make_one_digest_for_each_rule(rule):
    rule(name="all")
    rule(name="high", query="ncd_min=0.9")
    insert(2_500)
    insert(40, ncd="0.95")
    assert sorted(len(arrival.ids) for arrival in NotificationArrival.objects.all()) == [
        40,
        500,
        1_000,
        1_000,
    ]
    collect()
    assert totals() == {"all": 2_540, "high": 40}
    assert NotificationDelivery.objects.count() == 2
    assert not NotificationArrival.objects.exists()


def test_a_digest_lists_the_most_unusual_ones(rule):
    rule()
    for part in range(3):
        for number in range(6):
            make_anomaly(ncd_score=0.5 + part / 10 + number / 100)
        collect()
    (delivery,) = NotificationDelivery.objects.all()
    assert (delivery.total, len(delivery.items)) == (18, 10)
    assert [item["ncd_score"] for item in delivery.items[:7]] == pytest.approx(
        [0.75, 0.74, 0.73, 0.72, 0.71, 0.70, 0.65]
    )


def test_an_item_has_no_evidence_and_its_text_is_printable(rule):
    rule()
    make_anomaly(glass_box_explanation="\x1b[2J\u202edeadlock\nsecond line", metadata={"host": "db\x07"})
    collect()
    (item,) = NotificationDelivery.objects.get().items
    assert item["title"] == "\\x1b[2J\\u202edeadlock"
    assert item["source"] == "db\\x07"
    assert not {"window_data", "baseline_data"} & item.keys()


def test_a_digest_is_due_at_the_end_of_its_window_and_outside_quiet_hours(rule):
    rule(name="plain", digest_seconds=300)
    rule(name="night", digest_seconds=300, quiet=(NOON.time(), NOON.replace(hour=14).time()))
    make_anomaly()
    collect(now=NOON)
    due = dict(NotificationDelivery.objects.values_list("rule__name", "due_at"))
    assert due == {"plain": NOON + timedelta(minutes=5), "night": NOON + timedelta(hours=2)}


def test_what_a_rule_for_what_comes_decided_is_seen_as_decided(rule):
    rule(query="status=pending")
    make_anomaly(status="dismissed", dismissed_by="x", dismissal_reason="other", dismissed_at=timezone.now())
    make_anomaly()
    collect()
    assert totals() == {"ours": 1}


def test_assigned_to_me_is_about_the_owner(rule):
    rule(query="assigned=me")
    make_anomaly(assigned_to="lead")
    make_anomaly(assigned_to="another")
    collect()
    assert totals() == {"ours": 1}


def test_a_filter_that_became_invalid_matches_nothing(rule):
    rule()
    NotificationRule.objects.update(query="status=nonsense")
    make_anomaly()
    collect()
    assert totals() == {}


# --- new patterns -----------------------------------------------------------------------------------------


def test_only_the_first_anomaly_of_a_pattern_is_new(rule):
    known = make_anomaly(glass_box_explanation="known before")
    stored_before(known)
    rule(condition="new_pattern")
    for words in ("known before", "disk full 1", "disk full 2", "cable lost"):
        make_anomaly(glass_box_explanation=words)
    collect()
    make_anomaly(glass_box_explanation="disk full 3")
    collect()
    (delivery,) = NotificationDelivery.objects.all()
    assert delivery.total == 2
    assert sorted(item["title"][:9] for item in delivery.items) == ["cable los", "disk full"]


def test_a_pattern_is_new_once_though_it_arrives_in_two_statements_at_once(rule):
    """The later one is looked at first: its transaction was shorter."""
    rule(condition="new_pattern")
    earlier, _ = (make_anomaly(glass_box_explanation=f"disk full {number}") for number in (1, 2))
    stored_before(earlier)
    arrivals = NotificationArrival.objects.order_by("id")
    arrivals.filter(pk=arrivals[0].pk).update(id=10**9)
    for _ in range(2):
        collect()
    assert totals() == {"ours": 1}


# --- nothing is lost, nothing counts twice ----------------------------------------------------------------


def test_a_worker_that_is_killed_at_any_statement_loses_nothing_and_counts_nothing_twice(rule):
    rule(name="all")
    rule(name="new", condition="new_pattern")
    tried = 0
    for nth in count(1):
        insert(3, words=f"'round {'x' * nth} ' || chr(96 + n)")
        tried += 1
        with killed_at(nth) as seen, suppress(Killed):
            collect()
        collect()
        assert totals() == {"all": 3 * tried, "new": 3 * tried}, seen[-1]
        if len(seen) < nth:
            break
    assert tried > 15


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_is_committed_late_is_counted(rule):
    """Ids and times of arrivals are given before the commit: no cursor over them would find this one."""
    rule()
    with connect(str(connection.settings_dict["NAME"])) as slow:
        slow.execute("BEGIN")
        slow.execute(
            "INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation, "
            "compression_baseline, compression_window, compression_combined, compression_ratio_change, "
            "confidence_level, is_statistically_significant, baseline_data, window_data) "
            "VALUES (now(), 'logs', 0.7, 0.01, 'late', 0.2, 0.5, 0.3, 150, 0.99, true, '[]', '[]')"
        )
        make_anomaly()
        collect()
        assert totals() == {"ours": 1}
        slow.execute("COMMIT")
    collect()
    assert totals() == {"ours": 2}


def test_a_rule_whose_owner_may_see_nothing_any_more_stops(rule):
    made = rule()
    User.objects.update(is_active=False)
    make_anomaly()
    collect()
    made.refresh_from_db()
    assert totals() == {}
    assert (made.stopped_by, made.stop_reason) == (
        None,
        "lead has no active account that may see anomalies",
    )
    assert SYSTEM.username == "driftlock"


def test_the_number_of_queries_does_not_grow_with_the_anomalies(rule, django_assert_num_queries):
    def queries() -> int:
        with killed_at(0) as seen:
            collect()
        return len(seen)

    rule()
    insert(2)
    collect()
    insert(5)
    few = queries()
    insert(900)
    assert queries() == few
