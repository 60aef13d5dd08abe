"""The columns of the list that a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from anomalies.models import ListColumns

from ..bounded.sql import of_queryset
from ..bounded.together import Read

User = AbstractBaseUser | AnonymousUser


def chosen(user: User) -> Read[list[str] | None]:
    """The names of the columns that this person chose; None without a choice."""
    rows = ListColumns.objects.filter(user=cast(int, user.pk)).values_list("columns")
    return Read(of_queryset(rows), lambda found: found[0][0] if found else None)


def choose(user: User, columns: Sequence[str] | None) -> None:
    """Keep the choice of this person; None forgets it."""
    if columns is None:
        ListColumns.objects.filter(user=cast(int, user.pk)).delete()
    else:
        ListColumns.objects.update_or_create(user_id=user.pk, defaults={"columns": list(columns)})
