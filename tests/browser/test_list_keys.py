"""The list by keyboard alone: moving, selecting, opening and deciding."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from anomalies.models import Anomaly
from tests.support.factories import NOON, make_anomaly

from .conftest import LIST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

SINGLE = f"{LIST}?single=1"
PENDING = f"{LIST}?single=1&status=pending"


def made(count: int, **over: Any) -> None:
    for hour in range(count):
        make_anomaly(timestamp=NOON - timedelta(hours=hour), glass_box_explanation=f"number {hour}", **over)


def statuses() -> list[str]:
    return list(Anomaly.objects.order_by("-timestamp").values_list("status", flat=True))


def has_focus(page: Page, number: int) -> None:
    expect(page.locator("#result_list tr:has(:focus)")).to_contain_text(f"number {number}")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def decide(page: Page, key: str) -> None:
    """Press a key that sends the list's form, and wait for the page that follows."""
    with page.expect_navigation():
        page.keyboard.press(key)


def test_the_row_with_the_focus_is_decided_and_the_next_one_follows(desk, analyst):
    made(3)
    page = desk.open(PENDING, analyst)
    press(page, "j", "j")
    decide(page, "a")
    has_focus(page, 2)
    decide(page, "i")
    has_focus(page, 0)
    assert statuses() == ["pending", "acknowledged", "investigating"]


def test_selected_rows_are_dismissed_together_and_the_decision_is_undone(desk, analyst):
    made(3)
    page = desk.open(SINGLE, analyst)
    press(page, "j", "x", "j", "x")
    decide(page, "d")
    expect(page.locator(".confirm select[name=reason]")).to_be_focused()
    press(page, "ArrowDown")
    decide(page, "Enter")
    expect(page.get_by_role("status").filter(has_text="2 anomalies dismissed.")).to_be_visible()
    assert statuses() == ["dismissed", "dismissed", "pending"]
    decide(page, "u")
    expect(page.locator(".confirm .default")).to_be_focused()
    decide(page, "Enter")
    assert statuses() == ["pending"] * 3


def test_enter_opens_the_anomaly(desk, analyst):
    made(2)
    page = desk.open(SINGLE, analyst)
    press(page, "j")
    decide(page, "Enter")
    expect(page.locator(".explanation pre").first).to_have_text("number 0")


def test_an_incident_is_expanded_in_place_by_a_key(desk, analyst):
    made(2, metadata={"host": "a"})
    Anomaly.objects.update(timestamp=NOON)
    page = desk.open(LIST, analyst)
    press(page, "j", "e")
    expect(page.locator(".incident li")).to_have_count(2)


def test_tab_reaches_the_first_anomaly_within_ten_stops(desk, analyst):
    made(2)
    page = desk.open(SINGLE, analyst)
    press(page, "Tab", "Tab", "Enter", "Tab", "Tab")
    has_focus(page, 0)


def test_the_help_sheet_opens_and_closes_by_its_key_and_a_key_in_the_search_is_a_letter(desk, analyst):
    made(1)
    page = desk.open(SINGLE, analyst)
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("open or close an incident")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("combobox", name="Search").focus()
    press(page, "j", "d")
    expect(page.get_by_role("combobox", name="Search")).to_have_value("jd")


def test_keys_that_decide_do_nothing_for_a_viewer(desk, viewer):
    made(1)
    page = desk.open(SINGLE, viewer)
    press(page, "j", "a", "d", "i", "u", "x")
    has_focus(page, 0)
    assert statuses() == ["pending"]
