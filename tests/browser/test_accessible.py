"""No page has a serious fault for who uses it by keyboard, by ear or with weak eyes: axe-core looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, UserPreferences
from anomalies.queries.saved_filters import save
from anomalies.triage.comments import add
from anomalies.triage.decisions import decide
from anomalies.triage.rules import NewRule, make
from tests.support.factories import make_anomaly
from tests.support.sizes import amount

from .conftest import LIST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

# The first two have each width and each scheme once; DRIFTLOCK_SIZES=full adds the other pairs.
SCREENS = [(1280, "light"), (390, "dark"), (390, "light"), (1280, "dark")][: amount("DRIFTLOCK_SCREENS")]
SERIOUS = ("serious", "critical")
PAGES = {
    "overview": "/admin/?overview",
    "list": LIST,
    "filtered list": f"{LIST}?status=pending&ncd_min=0.1",
    "patterns": "/admin/anomalies/pattern/",
    "anomaly": "{page}",
    "queue": "{page}?queue=status%3Dpending",
    "saved filters": f"{LIST}filters/",
    "audit log": "/admin/anomalies/auditlog/",
    "shift": "/admin/anomalies/auditlog/shift/?hours=168",
    "what if": "/admin/anomalies/detectionconfig/what-if/?ncd_threshold=0.9&p_value_threshold=0.05",
    "statistics": "/admin/anomalies/streamstatistics/",
    "rules": "/admin/anomalies/triagerule/",
    "new rule": "/admin/anomalies/triagerule/add/?pattern={pattern}",
    "new window": "/admin/anomalies/triagerule/add/",
    "preferences": "/admin/preferences/",
    "second factors": "/sign-in/factors/",
    "new app": "/sign-in/factors/app/add/",
    "new passkey": "/sign-in/factors/passkeys/add/",
}


def a_busy_desk() -> Anomaly:
    now = timezone.now()
    made = [
        make_anomaly(
            timestamp=now - timedelta(minutes=n * n * 4),
            stream_type=("logs", "llm")[n % 2],
            ncd_score=0.5 + n / 100,
            novelty=0.6,
            tags=["web", "db"][: n % 3],
        )
        for n in range(30)
    ]
    decide("acknowledge", [each.pk for each in made[10:15]], Actor("ana"))
    decide("dismiss", [each.pk for each in made[15:20]], Actor("bo"), reason="other", note="a load test")
    decide("investigate", [made[20].pk], Actor("bo"))
    make(NewRule("snooze", "new disks", source="db1", window=(now, now + timedelta(days=1))), Actor("lea"))
    add(made[0].pk, "is it the disk, @lea?", Actor("lea"))
    return Anomaly.objects.get(pk=made[0].pk)


def faults(page: Any) -> list[str]:
    # Without preloading: it fetches again what styles import, by an address relative to the page.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_axe_finds_no_serious_fault_on_any_page_and_none_is_wider_than_the_screen(
    desk, scheme, width, language
):
    lea = User.objects.create_superuser("lea")
    UserPreferences.objects.create(user=lea, language=language, formats="iso")
    anomaly = a_busy_desk()
    save(lea, "Pending", "status=pending", shared=True)
    page = desk.open(user=lea, color_scheme=scheme, viewport={"width": width, "height": 900})
    found = {}
    for name, path in PAGES.items():
        page.goto(path.format(page=f"{LIST}{anomaly.pk}/change/", pattern=anomaly.pattern))
        assert page.locator("html").get_attribute("lang") == language
        wide = page.evaluate("document.documentElement.scrollWidth") - width
        if wrong := faults(page) + ([f"{wide} pixels too wide"] if wide > 0 else []):
            found[name] = wrong
    desk.troubles = [each for each in desk.troubles if "inline style" not in each]  # axe's own
    assert found == {}
