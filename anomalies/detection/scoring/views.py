"""Candidates: what the models of a stream return to the detector, one for each departure from the past.

A stream shows several things at once (the words of its lines, how often each comes, pauses, values); each is
a *view* with a model and a past of its own. A scorer holds the views of one kind of stream. For each event
it returns what departs, with a p-value of that view alone; the detector joins the p-values of all views
(`significance.joined`), applies the thresholds, and merges what touches into one episode.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from ..acknowledged import Acknowledged
from ..events import Event

Method = Literal["conformal", "tail"]


class Candidate(NamedTuple):
    """One thing that departs from its own past, at one event. A tuple, since varied lines give one in four.

    view      the view that speaks, one of the scorer's `weights`
    thing     what departs (a template, a slot, a series): the same text for the same thing
    p_value   of this view alone, 0 to 1: at most the share α of normal events may have p ≤ α
    novelty   0 to 1, the share of the departure that is beyond the thing's own record: 1 - record / now
    bits      the surprise beyond the own record, in bits, not negative: ranks candidates of one episode
    lines     numbers of the events that show it, in order, at most 50; the last may be the event itself
    odd       the number among `lines` that is quoted first
    said      one sentence without its end: "status 500 in 94 of 120 requests; usual 1 in 300". What it quotes
              stands in the line `odd`
    text      the line `odd`, where it may be older than what the detector holds; '' otherwise
    """

    view: str
    thing: str
    p_value: float
    novelty: float
    bits: float
    lines: tuple[int, ...]
    odd: int
    said: str
    text: str = ""


class Scorer(Protocol):
    """The views of one kind of stream. The same events give the same candidates, however they are cut.

    `weights` names every view and the share of the false alarms that it may use; the shares add up to 1.
    `method` is what its p-values are: ranks among past events ("conformal"), or the chance that a day of the
    stream shows as much ("tail").
    """

    weights: Mapping[str, float]
    method: Method

    def take(self, event: Event, learn: bool) -> Sequence[Candidate]:
        """Return what departs at an event, then learn it unless `learn` is false. Most events: ()."""

    def train(self, events: Iterable[Event]) -> None:
        """Learn the events of a baseline, another source of the same kind that is known to be good.

        The events of the stream follow. No pause, step or run reaches from the baseline into it.
        """

    def knows(self, event: Event) -> bool:
        """Return whether something of this event came before: its pattern, a series or a step of it."""

    def text(self, event: Event) -> str:
        """Return the event as a line of text without what varies, for the compression figures."""

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the events that analysts acknowledged, and the records that they set."""

    def state(self) -> Any:
        """Return all it knows as plain JSON values, for `restore`."""

    def restore(self, state: Any) -> None:
        """Restore what `state` returned. Raises ValueError, TypeError or KeyError for other values."""
