"""Viewers and leads at the desk."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from anomalies.models import DetectionConfig
from tests.support.factories import make_anomaly

from .conftest import LIST, act, follow, page_of, rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def forge(page, path: str, **fields: str) -> int:
    """POST what the page does not offer, with a good token; the answer's status."""
    token = "f" * 32
    cookie = {"name": "csrftoken", "value": token, "url": page.url}
    page.context.add_cookies([cookie])
    return page.request.post(path, form={"csrfmiddlewaretoken": token, **fields}, max_redirects=0).status


def test_a_viewer_sees_the_list_and_no_action(desk, viewer):
    make_anomaly()
    page = desk.open(user=viewer)
    expect(rows(page)).to_have_count(1)
    expect(page.locator("input.action-select, select[name=action]")).to_have_count(0)


def test_a_viewer_sees_an_anomaly_and_no_decision_form(desk, viewer):
    page = desk.open(page_of(make_anomaly()), viewer)
    expect(page.get_by_role("heading", name="Evidence", exact=True)).to_be_visible()
    expect(page.locator("#content form[method=post]")).to_have_count(0)


def test_a_decision_forged_by_a_viewer_answers_403_and_changes_nothing(desk, viewer):
    anomaly = make_anomaly()
    path = page_of(anomaly)
    assert forge(desk.open(path, viewer), path, action="acknowledge") == 403
    anomaly.refresh_from_db()
    assert anomaly.status == "pending"


def test_a_bulk_decision_forged_by_a_viewer_changes_nothing(desk, viewer):
    anomaly = make_anomaly()
    forge(desk.open(user=viewer), LIST, action="acknowledge", _selected_action=str(anomaly.pk), index="0")
    anomaly.refresh_from_db()
    assert anomaly.status == "pending"


def test_a_lead_makes_a_config_and_activates_it(desk, lead):
    page = desk.open("/admin/anomalies/detectionconfig/add/", lead)
    page.get_by_label("Novelty threshold").fill("0.61")
    page.get_by_label("Stream overrides").fill('{"logs": {"window_size": 25}}')
    page.get_by_role("button", name="Save and make active").click()
    expect(page.get_by_text("is now active")).to_be_visible()
    active = DetectionConfig.objects.get(is_active=True)
    assert (active.ncd_threshold, active.stream_overrides["logs"]["window_size"]) == (0.61, 25)


def test_a_lead_activates_an_older_config_from_the_list(desk, lead):
    config = DetectionConfig.objects.create(notes="quieter")
    page = desk.open("/admin/anomalies/detectionconfig/", lead)
    page.locator(f"input.action-select[value='{config.pk}']").check()
    act(page, "make_active")
    expect(page.locator("tr", has_text=str(config)).locator(".status-active")).to_be_visible()


def test_a_config_that_another_changed_is_not_overwritten_but_by_one_more_click(desk, lead):
    config = DetectionConfig.objects.create()
    page = desk.open(f"/admin/anomalies/detectionconfig/{config.pk}/change/", lead)
    DetectionConfig.objects.filter(pk=config.pk).update(hop_size=7)
    page.get_by_label("Novelty threshold").fill("0.61")
    follow(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_role("row", name="Hop size 1 7 1")).to_be_visible()
    expect(page.get_by_label("Novelty threshold")).to_have_value("0.61")
    assert desk.answered(409)
    page.get_by_label("Hop size").fill("7")
    follow(page.get_by_role("button", name="Save", exact=True))
    config.refresh_from_db()
    assert (config.ncd_threshold, config.hop_size) == (0.61, 7)


def test_an_analyst_sees_configs_and_changes_none(desk, analyst):
    page = desk.open("/admin/anomalies/detectionconfig/", analyst)
    page.get_by_role("link", name="config").first.click()
    expect(page.get_by_text("Novelty threshold")).to_be_visible()
    expect(page.locator("#content input[type=submit]")).to_have_count(0)
