"""The queue by keyboard alone, and without JavaScript."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from anomalies.models import Anomaly
from tests.support.factories import NOON, make_anomaly

from .conftest import LIST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

QUEUE = f"{LIST}queue/"


def waiting(count: int) -> None:
    for hour in range(count):
        make_anomaly(timestamp=NOON - timedelta(hours=hour), glass_box_explanation=f"number {hour}")


def shows(page, number: int) -> None:
    expect(page.locator(".explanation pre").first).to_have_text(f"number {number}")


def status_of(number: int) -> str:
    return Anomaly.objects.get(glass_box_explanation=f"number {number}").status


def test_the_queue_is_worked_through_by_keys(desk, analyst):
    waiting(5)
    page = desk.open(QUEUE, analyst)
    shows(page, 0)
    page.keyboard.press("a")
    shows(page, 1)
    page.keyboard.press("d")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shows(page, 2)
    page.keyboard.press("i")
    shows(page, 3)
    page.keyboard.press("j")
    shows(page, 4)
    page.keyboard.press("k")
    shows(page, 3)
    assert [status_of(n) for n in range(5)] == [
        "acknowledged",
        "dismissed",
        "investigating",
        "pending",
        "pending",
    ]


def test_the_last_decision_is_undone_by_a_key(desk, analyst):
    waiting(2)
    page = desk.open(QUEUE, analyst)
    page.keyboard.press("a")
    shows(page, 1)
    page.keyboard.press("u")
    expect(page.get_by_text("Undone")).to_be_visible()
    assert status_of(0) == "pending"


def test_a_key_in_a_note_is_a_letter(desk, analyst):
    waiting(2)
    page = desk.open(QUEUE, analyst)
    page.keyboard.press("n")
    page.keyboard.type("a odd jam")
    shows(page, 0)
    expect(page.get_by_label("Note")).to_have_value("a odd jam")


def test_the_shortcuts_are_shown_by_a_key(desk, analyst):
    waiting(1)
    page = desk.open(QUEUE, analyst)
    page.keyboard.press("?")
    expect(page.get_by_text("undo the last decision")).to_be_visible()


def test_without_javascript_the_queue_is_worked_through_by_buttons(desk, analyst):
    waiting(3)
    page = desk.open(QUEUE, analyst, java_script_enabled=False)
    page.get_by_role("button", name="Acknowledge").click()
    shows(page, 1)
    page.get_by_role("link", name="Skip", exact=True).click()
    shows(page, 2)
    assert [status_of(n) for n in range(3)] == ["acknowledged", "pending", "pending"]


def test_a_half_written_note_survives_skipping_an_expired_session_and_the_login(desk, analyst):
    waiting(2)
    page = desk.open(QUEUE, analyst)
    page.get_by_label("Note").fill("half a thought")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Skip", exact=True).click()
    shows(page, 1)
    expect(page.get_by_label("Note")).to_have_value("")
    Session.objects.all().delete()
    page.get_by_role("link", name="Back", exact=True).click()
    page.get_by_label("Username").fill("analyst")
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Log in").click()
    shows(page, 0)
    expect(page.get_by_label("Note")).to_have_value("half a thought")


def test_a_note_is_not_offered_again_once_the_anomaly_changed(desk, analyst):
    waiting(1)
    page = desk.open(QUEUE, analyst)
    page.get_by_label("Note").fill("half a thought")
    Anomaly.objects.update(tags=["changed"])
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("")


def test_the_progress_of_the_tab_is_shown(desk, analyst):
    waiting(3)
    page = desk.open(QUEUE, analyst)
    expect(page.locator(".queue-bar")).to_contain_text("3 waiting · oldest")
    page.keyboard.press("a")
    shows(page, 1)
    expect(page.locator(".queue-bar")).to_contain_text("1 of 3 · 1 a minute · 2 waiting")
