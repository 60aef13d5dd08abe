"""A standby that runs for all tests of a module, and one of a test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anomalies.replica import state
from tests.support.programs.standby import Standby, read_from


@pytest.fixture(scope="module")
def running(django_db_setup, django_db_blocker) -> Iterator[Standby]:
    """A standby that runs as long as the tests of a module."""
    with django_db_blocker.unblock():
        server = Standby()
    with server:
        yield server


@pytest.fixture
def server(running, transactional_db) -> Iterator[Standby]:
    """The module's standby as the replica, with replay going on."""
    with read_from(running):
        yield running
        running.resume()


@pytest.fixture
def mortal(transactional_db, monkeypatch) -> Iterator[Standby]:
    """A standby of the test's own, as the replica, to be killed; it is asked again after half a second."""
    monkeypatch.setattr(state, "PAUSE", 0.5)
    with Standby() as own, read_from(own):
        yield own
