"""The Content-Security-Policy in a real browser: every page works under it, what it forbids is not run."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from anomalies.models import AuditLog, DetectionConfig, PerformanceMetric
from tests.support.factories import make_anomaly

from .conftest import LIST, act, follow, page_of, tick

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

_LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation', e =>
    window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""


def violations(page: Page) -> list[str]:
    """The policy violations that the browser reports once the page is drawn."""
    return page.evaluate(
        "new Promise(done => requestAnimationFrame(() => setTimeout(done, 20))).then(() => window.violations)"
    )


def watched(desk, user: User | None, path: str = "/admin/login/", **options) -> Page:
    """A page that listens for violations from its first moment."""
    page = desk.open("/admin/login/", user, fresh=True, **options)
    page.add_init_script(_LISTEN)
    page.goto(path)
    return page


@pytest.fixture
def paths(db) -> list[str]:
    """Every page of the admin that is not the answer to a form."""
    anomaly = make_anomaly()
    metric = PerformanceMetric.objects.create(metric_type="job", duration_ms=1)
    user = User.objects.create_user("someone")
    config, entry = DetectionConfig.objects.get(), AuditLog.objects.latest("id")
    ours, auth = "/admin/anomalies", "/admin/auth"
    return [
        *("/admin/", "/admin/anomalies/", "/admin/password_change/", LIST, page_of(anomaly)),
        *(f"{LIST}?status=pending&q=x&o=1", f"{LIST}{anomaly.pk}/history/"),
        *(f"{ours}/recentsignificantanomaly/", f"{ours}/streamstatistics/"),
        *(f"{ours}/performancemetric/", f"{ours}/performancemetric/{metric.pk}/change/"),
        *(f"{ours}/auditlog/?resource_type=anomaly", f"{ours}/auditlog/{entry.pk}/change/"),
        *(f"{ours}/detectionconfig/", f"{ours}/detectionconfig/add/"),
        *(f"{ours}/detectionconfig/{config.pk}/change/", f"{ours}/detectionconfig/add/?_popup=1"),
        *(f"{auth}/user/", f"{auth}/user/add/", f"{auth}/user/{user.pk}/change/"),
        *(f"{auth}/user/{user.pk}/password/", f"{auth}/user/{user.pk}/delete/"),
        *(f"{auth}/group/", f"{auth}/group/add/", f"{auth}/group/{Group.objects.first().pk}/change/"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_admin_breaks_the_policy(desk, admin_user, paths, scheme):
    page = watched(desk, admin_user, color_scheme=scheme)
    found = {}
    for path in paths:
        page.goto(path)
        found[path] = violations(page)
    assert {path: what for path, what in found.items() if what} == {}


def test_the_login_page_does_not_break_the_policy_and_its_theme_can_be_switched(desk):
    page = watched(desk, None)
    page.locator(".theme-toggle").first.click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "auto")
    assert violations(page) == []


def test_a_bulk_dismissal_does_not_break_the_policy(desk, analyst):
    make_anomaly()
    page = watched(desk, analyst, LIST)
    tick(page, 1)
    act(page, "dismiss")
    assert violations(page) == []
    page.get_by_label("Reason").select_option("duplicate")
    follow(page.get_by_role("button", name="Dismiss"))
    expect(page.get_by_text("1 anomaly dismissed.")).to_be_visible()
    assert violations(page) == []


def test_a_form_with_mistakes_in_it_does_not_break_the_policy(desk, lead):
    page = watched(desk, lead, "/admin/anomalies/detectionconfig/add/")
    page.get_by_label("Stream overrides").fill("{")
    follow(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_text("Enter a valid JSON")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(
    ("element", "directive"),
    [
        ("Object.assign(document.createElement('script'), {text: 'window.ran = 1'})", "script-src-elem"),
        ("Object.assign(document.createElement('img'), {src: 'https://example.org/x.png'})", "img-src"),
        ("Object.assign(document.createElement('iframe'), {src: 'https://example.org/'})", "frame-src"),
        ("Object.assign(document.createElement('style'), {textContent: 'p {color: red}'})", "style-src-elem"),
    ],
)
def test_what_the_policy_forbids_is_not_run(desk, analyst, element, directive):
    page = watched(desk, analyst, LIST)
    page.evaluate(f"document.body.appendChild({element})")
    page.wait_for_function("window.violations.length > 0")
    assert directive in page.evaluate("window.violations[0]")
    assert page.evaluate("window.ran") is None
    desk.troubles.clear()  # the browser says on its console what it did not do
