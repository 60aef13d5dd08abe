"""The CHECK constraints that several tables have, named as the contract names them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


def between_0_and_1(column: str, table: str) -> models.CheckConstraint:
    """A CHECK that a column lies between 0 and 1, both included."""
    within = Q(**{f"{column}__gte": 0.0, f"{column}__lte": 1.0})
    return models.CheckConstraint(condition=within, name=f"{table}_{column}_check")


def positive(column: str, table: str) -> models.CheckConstraint:
    """A CHECK that a column is above 0."""
    return models.CheckConstraint(condition=Q(**{f"{column}__gt": 0}), name=f"{table}_{column}_check")


def one_of(column: str, choices: type[models.TextChoices], table: str) -> models.CheckConstraint:
    """A CHECK that a text column holds one of the choices."""
    return models.CheckConstraint(
        condition=Q(**{f"{column}__in": choices.values}), name=f"{table}_{column}_check"
    )
