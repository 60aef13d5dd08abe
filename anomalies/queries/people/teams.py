"""The teams that somebody is a member of, as anomalies name them."""

from __future__ import annotations

from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Concat

from anomalies.models import TEAM_SIGN, Team


def teams_of(username: str) -> QuerySet[Team, str]:
    """The names of a user's teams, as ``assigned_to`` has them."""
    named = Concat(Value(TEAM_SIGN), "name", output_field=CharField())
    mine = Team.objects.filter(members__contains=[username])
    return mine.annotate(named=named).values_list("named", flat=True)
