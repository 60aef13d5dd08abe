"""The report of a shift: its decisions, and how those agree with each other and with earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..bounded.index_order import index_order
from ..bounded.together import together
from .agreement import Agreement, agreement
from .backlog import Backlog, BacklogReads, backlog_of
from .contradictions import Contradiction, contradictions_read
from .record import Record, record

PATTERNS = 500  # compared


@dataclass(frozen=True, slots=True)
class Shift:
    """The report from ``record.since`` to ``record.until``; the backlog is the present one.

    Contradictions and agreement are about the PATTERNS decided last in this time, by decisions of any time;
    ``is_part`` if more patterns were decided.
    """

    record: Record
    contradictions: tuple[Contradiction, ...]
    agreement: Agreement
    backlog: Backlog
    is_part: bool


def shift(since: datetime, until: datetime, now: datetime) -> Shift:
    """The report of the time from ``since`` (included) to ``until`` (not included)."""
    with index_order():
        found = record(since, until)
        patterns = found.patterns[:PATTERNS]
        opposed, agreed, waiting = contradictions_read(patterns), agreement(patterns), BacklogReads.of(now)
        answers = together(opposed, agreed, waiting.count, waiting.hours)
    return Shift(
        found,
        tuple(answers[opposed]),
        answers[agreed],
        backlog_of(waiting, answers, now),
        is_part=len(found.patterns) > PATTERNS,
    )
