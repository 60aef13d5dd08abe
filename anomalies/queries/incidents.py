"""Incidents: anomalies of one source that overlap or touch in time, shown as one row.

With a hop of one event, a disturbance is flagged in about ten windows. Grouping is single-linkage clustering
on the time axis: an anomaly joins the incident of its source if it lies at most ``gap`` from the last member.
Rows come in order of time, so comparing with the last member suffices and one pass is enough. A source here
is the stream type of one host and service, as far as the metadata names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from anomalies.models import Anomaly


@dataclass(slots=True)
class Episode:
    """Anomalies in the order of the list, each at most ``gap`` from the preceding one.

    ``begins_earlier`` and ``goes_on`` if it extends beyond the page's first or last row.
    """

    members: list[Any] = field(default_factory=list)
    begins_earlier: bool = False
    goes_on: bool = False

    @property
    def peak(self) -> Any:
        """The member with the highest NCD, among equals the one with the lowest p-value."""
        return max(self.members, key=lambda each: (each.ncd_score, -each.p_value))

    @property
    def span(self) -> timedelta:
        """The time from its first anomaly to its last."""
        span: timedelta = abs(self.members[-1].timestamp - self.members[0].timestamp)
        return span

    def is_touched_by(self, anomaly: Any, gap: timedelta) -> bool:
        """True if ``anomaly``, the next row of the list, belongs to it."""
        last = self.members[-1]
        return stream_of(last) == stream_of(anomaly) and abs(last.timestamp - anomaly.timestamp) <= gap


def stream_of(anomaly: Any) -> tuple[str, str]:
    """The key of a row's source; the row must have been read by ``for_list``."""
    return anomaly.stream_type, anomaly.origin


def episodes(rows: Iterable[Anomaly], gap: timedelta) -> list[Episode]:
    """The incidents of rows sorted by time (ascending or descending), in the order of their first rows."""
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
    """The rows of the first ``count`` incidents: all before the row that would begin the next one."""
    found = episodes(rows, gap)
    if len(found) <= count:
        return list(rows)
    return list(rows[: rows.index(found[count].members[0])])


def last_rows(rows: Sequence[Anomaly], gap: timedelta, count: int) -> list[Anomaly]:
    """The rows of the last ``count`` incidents."""
    return first_rows(rows[::-1], gap, count)[::-1]


def mark_cut(
    found: Sequence[Episode], before: Sequence[Anomaly], after: Sequence[Anomaly], gap: timedelta
) -> None:
    """Mark the incidents that extend beyond the page; ``before`` and ``after`` are the rows around it."""
    earlier, later = _nearest(before[::-1]), _nearest(after)
    for episode in found:
        episode.begins_earlier = _reaches(Episode(episode.members[::-1]), earlier, gap)
        episode.goes_on = _reaches(episode, later, gap)


def _nearest(rows: Iterable[Anomaly]) -> dict[tuple[str, str], Anomaly]:
    """The first of these rows for each source; they are sorted by their distance in time from the page."""
    found: dict[tuple[str, str], Anomaly] = {}
    for row in rows:
        found.setdefault(stream_of(row), row)
    return found


def _reaches(episode: Episode, nearest: dict[tuple[str, str], Anomaly], gap: timedelta) -> bool:
    row = nearest.get(stream_of(episode.members[-1]))
    return row is not None and episode.is_touched_by(row, gap)
