"""Episodes: anomalies of one stream that overlap or touch, as the one incident that they are.

With a hop of one event an incident is flagged in about ten windows. A stream here is the stream type of one
host and service, as far as the metadata names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from anomalies.models import Anomaly


@dataclass(slots=True)
class Episode:
    """Anomalies in the order of the list, each at most ``gap`` from the one before.

    ``begins_earlier`` and ``goes_on``: whether it reaches over the page's first or last line.
    """

    members: list[Any] = field(default_factory=list)
    begins_earlier: bool = False
    goes_on: bool = False

    @property
    def peak(self) -> Any:
        """The member of the highest NCD, of the least p among equals."""
        return max(self.members, key=lambda each: (each.ncd_score, -each.p_value))

    @property
    def span(self) -> timedelta:
        """From its first anomaly to its last."""
        span: timedelta = abs(self.members[-1].timestamp - self.members[0].timestamp)
        return span

    def is_touched_by(self, anomaly: Any, gap: timedelta) -> bool:
        """Whether this anomaly, next in the list, belongs to it."""
        last = self.members[-1]
        return stream_of(last) == stream_of(anomaly) and abs(last.timestamp - anomaly.timestamp) <= gap


def stream_of(anomaly: Any) -> tuple[str, str]:
    """What tells streams apart: of a row that was read ``for_list``."""
    return anomaly.stream_type, anomaly.origin


def episodes(rows: Iterable[Anomaly], gap: timedelta) -> list[Episode]:
    """The episodes of rows in order of time, either way; in the order of their first rows."""
    found: list[Episode] = []
    latest: dict[tuple[str, str], Episode] = {}
    for row in rows:
        episode = latest.get(stream_of(row))
        if episode is None or not episode.is_touched_by(row, gap):
            episode = latest[stream_of(row)] = Episode()
            found.append(episode)
        episode.members.append(row)
    return found


def first_rows(rows: Sequence[Anomaly], gap: timedelta, count: int) -> list[Anomaly]:
    """As many of the rows as make ``count`` episodes: all before the row that would begin the next one."""
    found = episodes(rows, gap)
    if len(found) <= count:
        return list(rows)
    return list(rows[: rows.index(found[count].members[0])])


def last_rows(rows: Sequence[Anomaly], gap: timedelta, count: int) -> list[Anomaly]:
    """As ``first_rows``, from the end."""
    return first_rows(rows[::-1], gap, count)[::-1]


def mark_cut(
    found: Sequence[Episode], before: Sequence[Anomaly], after: Sequence[Anomaly], gap: timedelta
) -> None:
    """Say of episodes that they reach over the page's ends; ``before`` and ``after`` are the rows there."""
    earlier, later = _nearest(before[::-1]), _nearest(after)
    for episode in found:
        episode.begins_earlier = _reaches(Episode(episode.members[::-1]), earlier, gap)
        episode.goes_on = _reaches(episode, later, gap)


def _nearest(rows: Iterable[Anomaly]) -> dict[tuple[str, str], Anomaly]:
    """Of each stream the first of these rows, which are in order of time away from the page."""
    found: dict[tuple[str, str], Anomaly] = {}
    for row in rows:
        found.setdefault(stream_of(row), row)
    return found


def _reaches(episode: Episode, nearest: dict[tuple[str, str], Anomaly], gap: timedelta) -> bool:
    row = nearest.get(stream_of(episode.members[-1]))
    return row is not None and episode.is_touched_by(row, gap)
