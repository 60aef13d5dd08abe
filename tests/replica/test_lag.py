"""The age of a replica: what is known on an idle and on a busy primary, and what is not claimed."""

from __future__ import annotations

import pytest

from anomalies.replica.lag import Lag, Replayed, Sample
from anomalies.replica.positions import parsed, written


def lag_of(*samples: Sample) -> Lag:
    lag = Lag()
    for each in samples:
        lag.add(each)
    return lag


def test_without_a_position_of_the_primary_nothing_is_known():
    assert lag_of().age(Replayed(900, 10.0), 5.0) is None


def test_on_an_idle_primary_a_replica_that_has_all_is_as_old_as_the_question():
    lag = lag_of(Sample(at=100.0, position=900, clock=5_000.0))
    assert lag.age(Replayed(900, committed=1.0), now=100.25) == 0.25


def test_on_a_busy_primary_the_last_replayed_commit_counts_by_the_primarys_clock():
    lag = lag_of(Sample(at=100.0, position=900, clock=5_000.0))
    assert lag.age(Replayed(899, committed=4_999.5), now=101.0) == pytest.approx(1.5)


def test_a_replica_that_receives_nothing_more_grows_old():
    samples = [Sample(at=float(n), position=900 + n, clock=5_000.0 + n) for n in range(60)]
    assert lag_of(*samples).age(Replayed(900, committed=5_000.0), now=59.0) == pytest.approx(59.0)


def test_the_newest_position_that_is_replayed_counts():
    samples = [Sample(at=float(n), position=900 + n, clock=5_000.0 + n) for n in range(60)]
    assert lag_of(*samples).age(Replayed(950, committed=None), now=59.0) == pytest.approx(9.0)


def test_behind_every_position_and_without_a_commit_the_age_is_unknown():
    lag = lag_of(Sample(at=100.0, position=900, clock=5_000.0))
    assert lag.age(Replayed(899, committed=None), now=100.0) is None


def test_positions_of_a_former_primary_are_forgotten():
    lag = lag_of(Sample(at=1.0, position=900, clock=5_000.0), Sample(at=2.0, position=100, clock=5_001.0))
    assert lag.age(Replayed(99, committed=None), now=2.0) is None


def test_clocks_that_disagree_make_nothing_younger_than_now():
    lag = lag_of(Sample(at=100.0, position=900, clock=5_000.0))
    assert lag.age(Replayed(899, committed=9_999.0), now=100.0) == 0.0


@pytest.mark.parametrize(
    ("text", "position"), [("0/0", 0), ("16/B374D848", 0x16B374D848), ("FFFFFFFF/FFFFFFFF", 2**64 - 1)]
)
def test_a_position_is_read_and_written_as_postgresql_has_it(text, position):
    assert (parsed(text), written(position)) == (position, text)


@pytest.mark.parametrize(
    "text", ["", "0", "0/", "x/1", "0/123456789", "-1/0", "0/0/0", "0/0\n", " 0/0", "\u0663/0"]
)
def test_what_is_no_position_is_none(text):
    assert parsed(text) is None
