"""Rules that the lead makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anomalies.audit import Actor
from anomalies.models import OwnershipRule
from anomalies.ownership.rules import NewOwnership, make


@pytest.fixture
def owning(lead) -> Callable[..., OwnershipRule]:
    """A function that makes rules of the lead's, each behind the former ones."""

    def made(assign_to: str = "lead", query: str = "", **over: Any) -> OwnershipRule:
        given = {"name": f"to {assign_to.strip('#')}", **over}
        return make(NewOwnership(assign_to=assign_to, query=query, **given), Actor("lead"))

    return made
