"""A comment is written on the page, and the names that it mentions are completed as one types."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.factories import make_anomaly, make_user

from .conftest import page_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def test_a_name_is_completed_and_the_comment_shown(desk, analyst):
    make_user("viewer", "vic")
    make_user("lead", "lena")
    page = desk.open(page_of(make_anomaly()), analyst)
    text = page.get_by_role("textbox", name="Comment")
    text.press_sequentially("mail ana@example.org, ask @L")
    expect(page.get_by_role("group", name="Matching names").get_by_role("button")).to_have_text(["@lena"])
    page.get_by_role("button", name="@lena").click()
    expect(text).to_have_value("mail ana@example.org, ask @lena ")
    expect(page.get_by_role("group", name="Matching names")).to_be_hidden()
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".comments .mention")).to_have_text("@lena")
