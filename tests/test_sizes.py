"""tests/support/sizes.py: small for a newcomer, full on request, and said either way."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.sizes import SIZES, report, variants

TAMPERINGS = SIZES["DRIFTLOCK_TAMPERINGS"]


def chosen(**environment: str) -> float:
    return TAMPERINGS.chosen("DRIFTLOCK_TAMPERINGS", environment)


def test_a_size_is_small_unless_full_is_asked_for():
    assert (chosen(), chosen(DRIFTLOCK_SIZES="full")) == (TAMPERINGS.small, TAMPERINGS.full)


def test_its_own_variable_comes_first():
    assert chosen(DRIFTLOCK_SIZES="full", DRIFTLOCK_TAMPERINGS="7") == 7


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_what_is_no_number_above_0_is_refused(text):
    with pytest.raises(ValueError):
        chosen(DRIFTLOCK_TAMPERINGS=text)


@pytest.mark.parametrize(("share", "chosen"), [("0.3", [0, 4, 7]), ("0.01", [0]), ("1", [*range(10)])])
def test_variants_are_a_share_of_all_in_their_order(share, chosen, monkeypatch):
    monkeypatch.setenv("DRIFTLOCK_VARIANTS", share)
    assert variants(range(10)) == chosen


def test_a_share_of_a_product_has_most_values_of_each_factor(monkeypatch):
    monkeypatch.setenv("DRIFTLOCK_VARIANTS", "0.33")
    for one, other in product(range(3, 8), range(2, 7)):
        chosen = variants(product(range(one), range(other)))
        assert (
            len({left for left, _ in chosen}) > one // 2 and len({right for _, right in chosen}) > other // 2
        )


def test_the_report_names_every_size_that_is_reduced(monkeypatch):
    monkeypatch.setenv("DRIFTLOCK_SIZES", "full")
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)
    assert report() == ["all tests at full size"]
    monkeypatch.setenv("DRIFTLOCK_TAMPERINGS", "7")
    assert report()[1:] == ["DRIFTLOCK_TAMPERINGS=7 of 1,000 random tamperings with the audit log"]
