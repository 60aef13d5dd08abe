"""The order of a whole stream: what it costs that each line follows the one before it, in bits.

Each template knows which templates follow it (`Template.follower`); a follower costs the bits of its share.
In a stream whose lines depend on each other (a request begins and ends, a login fails after a password was
asked for) the average cost is low, and it rises where lines come by chance, however usual each of them is.
What counts is the cumulative sum of the costs beyond the average and a slack (Page, "Continuous inspection
schemes", Biometrika 41, 1954), compared with the largest one before (`own_past`).
"""

from typing import Any

from ..scoring.own_past import Record
from .slots import Slot

_BEGIN = 300  # events, before which most followers are new
_SLACK = 1.0  # bits beyond the average that are usual
_MOST_EACH = 10.0  # bits of one step
_LEARN = 0.005  # share of a new cost in the average
_SHOWN = 50  # events of a run that are named


class Order:
    """The cumulative cost of a stream's steps from line to line.

    `sum` is the run as it stands, `record` the largest one before, `length` its steps, `rare` how many of
    them made it rise, `lines` the numbers of the last 50 of those, `usual` their share of all steps before.
    """

    def __init__(self) -> None:
        self.sum = self.record = 0.0
        self.length = self.rare = 0
        self.lines: list[int] = []
        self.usual = 0.0
        self._mean = self._share = 0.0
        self._past = Record()

    def take(self, follower: Slot, name: str, position: int, number: int) -> float:
        """Add the step to template `name`; return by how many bits the run is beyond its record, mostly 0.

        `follower` holds the followers of the template before it, that one not yet among them.
        """
        cost = follower.cost(name)
        if cost is None:
            return 0.0
        beyond = min(cost, _MOST_EACH) - self._mean - _SLACK
        self._mean += (min(cost, _MOST_EACH) - self._mean) * _LEARN
        self._share += ((beyond > 0) - self._share) * _LEARN
        was, now = self.sum, self.sum + beyond
        if position <= _BEGIN or now <= 0:
            if was:
                self.end_run()
            return 0.0
        if not was:
            self.usual = self._share
        self.sum = now
        self.length += 1
        if beyond <= 0:
            return 0.0
        self.rare += 1
        self.lines.append(number)
        del self.lines[:-_SHOWN]
        self._past.add(position, now)
        self.record = self._past.value(position)
        return max(0.0, now - self.record)

    def end_run(self) -> None:
        """End the run of unusual steps, if there is one."""
        self.sum = 0.0
        self.length = self.rare = 0
        self.lines = []

    def leave_out(self, first: int, last: int) -> None:
        """Forget the records that were set between two positions, both included."""
        self._past.leave_out(first, last)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        run = [self.sum, self.record, self.length, self.rare, list(self.lines), self.usual]
        return [*run, self._mean, self._share, self._past.state()]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        run, (self._mean, self._share, past) = state[:-3], state[-3:]
        self.sum, self.record, self.length, self.rare, lines, self.usual = run
        self.lines = list(lines)
        self._past.restore(past)
