"""Rows for tests, as plain functions: ``make_anomaly(status="dismissed")``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import connection

from anomalies.models import Anomaly

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def anomaly_values(**over: Any) -> dict[str, Any]:
    """The values of one anomaly, by column name."""
    values = {
        "timestamp": NOON,
        "stream_type": "logs",
        "ncd_score": 0.7,
        "p_value": 0.01,
        "glass_box_explanation": "2 of 10 lines are new: deadlock detected",
        "compression_baseline": 0.2,
        "compression_window": 0.5,
        "compression_combined": 0.3,
        "compression_ratio_change": 150.0,
        "confidence_level": 0.99,
        "is_statistically_significant": True,
        "baseline_data": ["checkpoint starting", "checkpoint complete"],
        "window_data": ["deadlock detected"],
        "metadata": {"host": "db1"},
        "tags": ["db"],
    }
    return {**values, **over}


def make_anomaly(**over: Any) -> Anomaly:
    """One anomaly in the table."""
    return Anomaly.objects.create(**anomaly_values(**over))


def make_user(role: str, username: str | None = None) -> User:
    """A person of a role (viewer, analyst, lead); the password is ``password``."""
    user = User.objects.create_user(username or role, password="password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@contextmanager
def other_program() -> Iterator[None]:
    """The connection as a program has it that is not Driftlock: it may decide without saying who."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('driftlock.requires_actor', 'off', false)")
        yield
        cursor.execute("SELECT set_config('driftlock.requires_actor', 'on', false)")
