"""The README's pictures: the sample log's anomalies on the desk.

Collected only where DRIFTLOCK_SCREENSHOTS names a folder to write them to.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import decide

from .conftest import LIST, page_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

SIZES = {"": {"width": 1280, "height": 860}, "-narrow": {"width": 390, "height": 844}}


@pytest.fixture
def decided(db) -> Anomaly:
    """The sample's anomalies, some of them decided; the strongest that is not."""
    call_command(
        "detect", str(settings.BASE_DIR / "samples/postgresql.log"), "--tag", "sample", "--no-progress"
    )
    strongest, *others = Anomaly.objects.order_by("-novelty", "pk").values_list("pk", flat=True)
    decide("acknowledge", others[1:3], Actor("analyst"))
    decide("dismiss", others[4:6], Actor("analyst"), reason="known_harmless", note="a load test")
    decide("investigate", [strongest], Actor("analyst"), note="asked the people of the shop")
    return Anomaly.objects.get(pk=strongest)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_and_a_page_of_the_desk(desk, analyst, decided, scheme, size):
    folder = Path(os.environ["DRIFTLOCK_SCREENSHOTS"])
    page = desk.open(user=analyst, viewport=SIZES[size], color_scheme=scheme)
    for name, path in {"list": LIST, "anomaly": page_of(decided)}.items():
        page.goto(path)
        shade = "-dark" if scheme == "dark" else ""
        page.screenshot(path=folder / f"{name}{shade}{size}.png", animations="disabled")
