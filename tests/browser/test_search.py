"""The search by keyboard: words are completed one after another, and Enter filters by them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.factories import make_anomaly

from .conftest import LIST, rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def offered(page: Page) -> list[str]:
    """The whole values of the field that the browser offers."""
    found: list[str] = page.locator("#search-words").evaluate("list => [...list.options].map(o => o.value)")
    return found


def test_each_word_is_offered_after_what_is_typed_and_enter_filters(desk, analyst):
    make_anomaly()
    make_anomaly(status="dismissed", dismissal_reason="other")
    page = desk.open(LIST, analyst)
    page.locator("#searchbar").focus()
    assert "status:dismissed" in offered(page)
    page.keyboard.type("deadlock st")
    assert "deadlock status:dismissed" in offered(page)
    page.keyboard.type('atus:dismissed "')
    assert offered(page) == []
    page.keyboard.press("Backspace")
    assert "deadlock status:dismissed reason:other" in offered(page)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#searchbar")).to_have_value("deadlock status:dismissed ")
    expect(page.get_by_label("dismissed", exact=True)).to_be_checked()
