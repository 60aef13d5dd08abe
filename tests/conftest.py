"""People by role, and the real database for whoever asks for it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.factories import make_user


@pytest.fixture
def viewer(db) -> User:
    return make_user("viewer")


@pytest.fixture
def analyst(db) -> User:
    return make_user("analyst")


@pytest.fixture
def lead(db) -> User:
    return make_user("lead")
