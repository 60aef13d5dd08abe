"""Agreement: the share of patterns decided by more than one person about which all of them decided the same.

The NEWEST standing decisions about each pattern count. What was decided on arrival, by a rule or a program,
and what has no name is nobody's. It is the raw share, not corrected for chance
(J. Cohen, "A coefficient of agreement for nominal scales", 1960): that would need each person to decide about
the same patterns. With few patterns it says little, so their number comes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ..bounded.sql import named
from ..bounded.together import Read
from .standing import newest_decisions

NEWEST = 50  # decisions about a pattern

_AGREED = f"""
    SELECT count(*) FILTER (WHERE people > 1), count(*) FILTER (WHERE people > 1 AND answers = 1)
    FROM (
        SELECT count(DISTINCT who) AS people, count(DISTINCT status) AS answers
        FROM unnest(%(keys)s::uuid[]) AS wanted (key)
        CROSS JOIN LATERAL {newest_decisions("wanted.key", "%(newest)s")} AS newest
        WHERE who <> '' AND NOT is_on_arrival GROUP BY wanted.key
    ) AS of_pattern
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``patterns`` that more than one person decided about, ``agreed`` have one answer."""

    patterns: int
    agreed: int

    @property
    def share(self) -> float | None:
        """The share from 0 to 1; None without such patterns."""
        return self.agreed / self.patterns if self.patterns else None


def agreement(patterns: Sequence[UUID]) -> Read[Agreement]:
    """The agreement of people about these patterns, whenever they decided; to be read in ``index_order``."""
    statement = named(_AGREED, keys=list(patterns), newest=NEWEST)
    return Read(statement, lambda rows: Agreement(*rows[0]))
