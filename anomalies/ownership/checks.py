"""A system check of the ownership rules, for ``manage.py check --database default``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS
from django.db import Error as DatabaseFailure

from .rules import in_order, problems_of


@register(Tags.database)
def rules_can_assign(databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """The enabled rules that assign nothing, or to a team that nobody is in.

    Nothing where the database does not answer or has no such table yet: another check says so.
    """
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        enabled = [rule for rule in in_order() if rule.enabled]
        problems = problems_of(enabled)
    except DatabaseFailure:
        return []
    hint = "Change the rule, its owner or the team on the page Ownership."
    return [
        Warning(f"ownership rule {rule.name}: {problems[rule.pk]}", hint, id="driftlock.W002")
        for rule in enabled
        if rule.pk in problems
    ]
