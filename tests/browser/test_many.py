"""Deciding about everything that matches, and undoing it, with a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from anomalies.models import Anomaly
from tests.triage.test_frozen_selection import make_anomalies

from .conftest import LIST, page_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def test_a_large_set_is_decided_to_its_end_by_one_click_and_undone_by_two(desk, analyst, monkeypatch):
    monkeypatch.setattr("anomalies.triage.frozen_selection.STEP", 10)
    monkeypatch.setattr("anomalies.admin.views.SLICE_SECONDS", 0)
    monkeypatch.setattr("anomalies.admin.decide.selected.FORM_LIMIT", 2)
    make_anomalies(60)
    page = desk.open(f"{LIST}?status=pending&single=1", user=analyst)
    page.locator("#action-toggle").check()
    page.locator(".question a").click()
    page.locator("select[name=action]").select_option("acknowledge")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Acknowledge all 60").click()
    expect(page.get_by_text("60 of 60 acknowledged")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo all 60").click()
    expect(page.get_by_text("60 of 60 undone.")).to_be_visible()
    assert set(Anomaly.objects.values_list("status", flat=True)) == {"pending"}


def test_a_decision_is_undone_by_one_click_in_its_message(desk, analyst):
    (anomaly,) = make_anomalies(1)
    page = desk.open(page_of(anomaly), user=analyst)
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: acknowledged by analyst")).to_be_visible()
    assert Anomaly.objects.get().status == "pending"
