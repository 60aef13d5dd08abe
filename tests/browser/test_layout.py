"""The layout: no page is wider than the screen of a phone, whatever its content."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from anomalies.admin.list.column_choice import OPTIONAL
from anomalies.audit import Actor, acting
from anomalies.models import Anomaly, DetectionConfig, PerformanceMetric
from anomalies.queries.people.list_columns import choose
from tests.support.factories import make_anomaly

from .conftest import LIST, act, follow, page_of, rows, tick

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

NARROW = {"width": 390, "height": 844}
LONG = "/var/lib/" + "a" * 400
PATHS = {
    "index": "/admin/",
    "list": LIST,
    "empty list": f"{LIST}?q=nothing",
    "misunderstood list": f"{LIST}?ncd_min=x&metadata=y&colour=z",
    "patterns": "/admin/anomalies/pattern/",
    "recent": "/admin/anomalies/recentsignificantanomaly/",
    "statistics": "/admin/anomalies/streamstatistics/",
    "metrics": "/admin/anomalies/performancemetric/",
    "audit log": "/admin/anomalies/auditlog/",
    "configs": "/admin/anomalies/detectionconfig/",
    "new config": "/admin/anomalies/detectionconfig/add/",
    "password": "/admin/password_change/",
}


@pytest.fixture
def stretched(db) -> None:
    """One row in each table, with words that no line can break."""
    with acting(Actor(LONG[:255])):
        texts = ("glass_box_explanation", "detailed_explanation", "notes")
        data = {
            name: [{"text": LONG, "line": 1_234_567, "odd": True, "bits": 1e6}] for name in ("window_data",)
        }
        make_anomaly(tags=[LONG, *"abcdefghijklm"], **dict.fromkeys(texts, LONG), **data)
        make_anomaly(metadata={LONG: LONG}, baseline_data=[LONG])
        PerformanceMetric.objects.create(
            metric_type="job", endpoint=LONG[:255], duration_ms=7, error_message=LONG
        )
        DetectionConfig.objects.create(notes=LONG, created_by=LONG[:255])


def width_of(page: Page) -> int:
    """The width of the whole page in pixels."""
    boxes = "[document.documentElement, document.body, document.querySelector('#main, #container')]"
    return page.evaluate(f"Math.max(...{boxes}.map(box => box.scrollWidth))")


@pytest.mark.parametrize("name", PATHS)
def test_a_page_does_not_scroll_sideways_as_a_whole(desk, admin_user: User, stretched, name):
    page = desk.open(PATHS[name], admin_user, viewport=NARROW)
    assert width_of(page) <= NARROW["width"]


@pytest.mark.parametrize(("width", "chosen"), [(390, None), (390, OPTIONAL), (1280, None), (1440, None)])
def test_the_list_shows_all_of_its_columns_beside_its_filter(desk, analyst, stretched, width, chosen):
    choose(analyst, chosen)
    make_anomaly(status="acknowledged"), make_anomaly(status="investigating"), make_anomaly(tags=["nightly"])
    page = desk.open(user=analyst, viewport={"width": width, "height": 900})
    box = page.locator(".results")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0


def test_an_anomalys_page_does_not_scroll_sideways_as_a_whole(desk, analyst, stretched):
    page = desk.open(user=analyst, viewport=NARROW)
    for number in range(2):
        page.goto(LIST)
        follow(rows(page).nth(number).get_by_role("link").first)
        assert width_of(page) <= NARROW["width"]


def test_the_confirmation_does_not_scroll_sideways_as_a_whole(desk, analyst, stretched):
    page = desk.open(user=analyst, viewport=NARROW)
    tick(page, 2)
    act(page, "dismiss")
    assert width_of(page) <= NARROW["width"]


def test_a_conflict_does_not_scroll_sideways_as_a_whole(desk, analyst, stretched):
    page = desk.open(user=analyst, viewport=NARROW)
    follow(rows(page).first.get_by_role("link").first)
    Anomaly.objects.update(notes=LONG * 2, tags=[LONG])
    page.get_by_role("textbox", name="Note").fill(LONG)
    follow(page.get_by_role("button", name="Acknowledge"))
    expect(page.get_by_role("heading", name="Both versions")).to_be_visible()
    assert desk.answered(409)
    assert width_of(page) <= NARROW["width"]


@pytest.mark.parametrize("kind", ["auditlog", "performancemetric", "detectionconfig"])
def test_the_detail_of_a_record_does_not_scroll_sideways_as_a_whole(desk, lead, stretched, kind):
    page = desk.open(f"/admin/anomalies/{kind}/", lead, viewport=NARROW)
    follow(rows(page).get_by_role("link").first)
    assert width_of(page) <= NARROW["width"]


def test_the_login_page_does_not_scroll_sideways(desk):
    assert width_of(desk.open("/admin/login/", viewport=NARROW)) <= NARROW["width"]


def test_baseline_and_window_stand_side_by_side_where_there_is_room(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst, viewport={"width": 1280, "height": 900})
    left, right = (page.get_by_role("heading", name=name, exact=True) for name in ("Baseline", "Window"))
    expect(left).to_be_visible()
    assert left.bounding_box()["y"] == right.bounding_box()["y"]
