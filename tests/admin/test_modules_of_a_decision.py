"""The number of modules that one decision passes, which is what a reader of it has to read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import anomalies
from anomalies.models import Anomaly
from tests.support.factories import make_anomaly
from tests.support.forms import carried

APP = Path(anomalies.__file__).parent


IN_WORDS = {"languages/formats.py", "languages/words.py", "web/language.py"}


@contextmanager
def modules_entered() -> Iterator[set[str]]:
    """Collect the files of the app in which a function is called, by their path in it.

    Without those that say it in the reader's language: they have no part in what is decided.
    """
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(APP):
            found.add(str(path.relative_to(APP)))
            found.difference_update(IN_WORDS)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


MOST = 12  # half of the 24 that it passed when each feature of the desk was a mixin


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?queue=status%3Dpending"])
def test_a_dismissal_passes_at_most_half_of_the_modules_that_it_used_to(client, analyst, query):
    client.force_login(analyst)
    anomaly = make_anomaly()
    path = f"/admin/anomalies/anomaly/{anomaly.pk}/change/{query}"
    form = {**carried(client.get(path)), "action": "dismiss", "reason": "duplicate"}
    with modules_entered() as modules:
        answer = client.post(path, form)
    assert (answer.status_code, Anomaly.objects.get().status) == (302, "dismissed")
    assert len(modules) <= MOST, " ".join(sorted(modules))
