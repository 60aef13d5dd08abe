"""An open list says what arrived, an open card who else looks at it."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from anomalies.models import Anomaly, AnomalyViewer
from anomalies.triage.viewers import look
from tests.support.factories import NOON, make_anomaly

from .conftest import LIST, page_of, rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


@pytest.mark.parametrize("path", [f"{LIST}?stream=logs&single=1", "/admin/anomalies/pattern/"])
def test_new_anomalies_are_counted_in_text_and_title_and_shown_by_a_link(desk, analyst, path):
    make_anomaly()
    Anomaly.objects.update(created_at=NOON)
    page = desk.open("/admin/", analyst, fresh=True)
    page.clock.install()
    page.goto(path)
    make_anomaly(glass_box_explanation="another")
    page.clock.run_for(21_000)
    expect(page.locator(".arrivals")).to_have_text("1 new show")
    assert page.title().startswith("(1) ")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="show", exact=True).click()
    expect(rows(page)).to_have_count(2)
    expect(page.locator(".arrivals a")).to_be_hidden()


def test_a_session_that_ended_says_so(desk, analyst):
    page = desk.open("/admin/", analyst, fresh=True)
    page.clock.install()
    page.goto(LIST)
    Session.objects.all().delete()
    page.clock.run_for(21_000)
    expect(page.locator(".arrivals")).to_have_text("Your session expired. Log in again")


def test_who_else_looks_is_said_while_they_do(desk, analyst):
    anomaly = make_anomaly()
    page = desk.open("/admin/", analyst)
    page.clock.install()
    look(anomaly.pk, "lena")
    page.goto(page_of(anomaly))
    expect(page.locator(".viewers")).to_have_text("lena is looking at this")
    AnomalyViewer.objects.filter(username="lena").delete()
    page.clock.run_for(21_000)
    expect(page.locator(".viewers")).to_be_empty()
