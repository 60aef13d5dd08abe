"""People by role, and the real database for whoever asks for it."""

from __future__ import annotations

import signal
import threading

import hypothesis
import pytest
from django.contrib.auth.models import User

from tests.support import sizes
from tests.support.factories import make_user

# A shell starts background jobs with SIGINT ignored, and children inherit that; those of the tests obey it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No clock decides: on a busy machine an example may take any time, and so may making one.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")


@pytest.fixture
def viewer(db) -> User:
    return make_user("viewer")


@pytest.fixture
def analyst(db) -> User:
    return make_user("analyst")


@pytest.fixture
def lead(db) -> User:
    return make_user("lead")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker of pytest-xdist, those that flush the database behind the others.

    pytest-django has sorted the tests so that the flushing ones come last, since they take migrated
    rows away too. A group is handed to a worker whole, in the order in which the groups begin.
    """
    for item in items:
        marker, fixtures = item.get_closest_marker("django_db"), getattr(item, "fixturenames", ())
        flushes = bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in fixtures
        flushes = flushes or "live_server" in fixtures
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name}{' flushes' if flushes else ''}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print at the end at which sizes the long tests ran."""
    for line in sizes.report():
        terminalreporter.write_line(line)
