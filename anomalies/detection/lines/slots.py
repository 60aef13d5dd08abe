"""The values view: the words or numbers in one place of a template, and their cost there, in bits.

Few different ones (a status, a level, a result, a percentage where it is one) are a category: a value costs
the bits of its share, and one never seen those of the chance of a new one, by how many were seen once (Good,
"The population frequencies of species", Biometrika 40, 1953). Many different numbers are a distribution:
inside the range that was seen they cost next to nothing, outside it the bits of a tail that falls
exponentially from its own upper (lower) tenth, on a log scale where the values span decades.

What counts is a run: the cumulative sum of the bits beyond what is usual and a slack (Page, "Continuous
inspection schemes", Biometrika 41, 1954), which never falls below 0. One rare value is forgotten, ten in a
row are not. A share that moves counts too: a value that is not the commonest one adds the log-likelihood
ratio of three times as many of those, the commonest one that of so many fewer. The sum is compared with the
slot's own record of it (`own_past`). Numbers that only rise are counters or dates, and are left out.
"""

import re
from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from math import log, log2
from typing import Any, Literal

from ..scoring.own_past import LAG, Record

FEW = 12  # different numbers that are a category
_FEW_WORDS = 40
_ENOUGH = 64  # values, before which a slot does not speak
_ENOUGH_TO_COST = 8  # values, before which none has a cost
_KNOWN, _KNOWN_WORDS = 50, 1_000  # values of a field, of a place in a message, before which any may be new
_EXPECTED = 0.02  # chance of a new one, from which on it tells nothing
_NEW_BEFORE = 5  # values seen once, before which new ones are not expected
_EVERY = 32  # values, after which its ranges are fitted again
_MEMORY = 2_000  # values of a category; then old ones count half
_HELD = 256  # numbers that ranges are fitted to
_SLACK = 2.0  # bits
_FALL = 0.5  # bits that the commonest value takes off at least, so that a run ends when it is over
_RARELY, _TIMES, _OFTEN = 0.01, 3.0, 0.9  # share of other values than the commonest: usual, and in a shift
_INSIDE = 1.0  # bits that a number costs on average
_OUTSIDE = 3.3  # bits of one at the upper or lower tenth
_MOST_EACH, _MOST = 30.0, 400.0  # bits of one value, of a run
_DECADE = 8.0  # upper tenth by lower tenth, from which on a log scale is used
_DRIFTS = 8  # numbers of 32 outside the range: a counter, or ids
_LOG2_E = 1.4427
_SHOWN = 50  # events of a run that are named
_MEASURE = re.compile(r"([+-]?\d{1,15}(?:\.\d{1,15})?) ?(ns|us|µs|μs|ms|s|m|min|h|[kKMGT]?i?B|bytes|%)")

Kind = Literal["few", "many", "number"]


@lru_cache(maxsize=16_384)
def measured(text: str) -> tuple[str, str]:
    """Return the number and the unit of a text such as `49.2ms`; two empty texts for any other."""
    found = _MEASURE.fullmatch(text)
    return (found[1], found[2]) if found else ("", "")


class Slot:
    """The values of one place. `see` returns the bits by which a run goes beyond the slot's own record, less
    than 0 for a value that was not expected (`first`).

    `sum` is the run as it stands, `record` what it was before at most, `length` the number of values since it
    began; `first` the bits of a value that never came in a place where new ones do not come, 0 for any other;
    `lines` are the event numbers of those that made it rise (the last 50), `run` how often each did.
    """

    __slots__ = (
        "_born", "_bursts", "_calm", "_down", "_held", "_high", "_is_log", "_last", "_latest", "_less",
        "_low", "_lower", "_mean", "_mode", "_more", "_n", "_once", "_outside", "_past", "_returns", "_seen",
        "_up", "_upper", "counts", "first", "is_of_message", "is_word", "kind", "length", "lines", "mute",
        "name", "record", "run", "sum", "unit",
    )  # fmt: skip

    def __init__(self, name: str, is_word: bool = False, is_of_message: bool = False, born: int = 0) -> None:
        self.name = name
        self.unit = ""  # of its numbers, in fields
        self._born = born  # position in the stream of its first value
        self.is_word = is_word
        self.is_of_message = is_of_message
        self.kind: Kind = "few"
        self.counts: dict[str, int] = {}
        self.sum = self.record = self.first = 0.0
        self.lines: list[int] = []
        self.run: dict[str, int] = {}
        self._latest: dict[str, int] = {}
        self.length = 0
        self.mute = True
        self._past = Record()
        self._n = self._seen = self._outside = 0
        self._mode = ""
        self._calm = 0  # times the commonest value came and is not yet counted
        self._mean = 0.0
        self._more = self._less = -_SLACK  # bits of a value that is not the commonest, of the commonest
        self._last = ""
        self._once: dict[str, bool] = {}  # words that came in one burst only
        self._bursts = 0
        self._returns = False  # a value came that is smaller than the one before: no counter, no date
        self._held: list[float] = []
        self._is_log = False
        self._low = self._high = self._lower = self._upper = self._up = self._down = 0.0

    def begin(self, word: str, count: int) -> None:
        """Count a word that came `count` times already: the place was no slot until another one came."""
        count = min(count, _MEMORY)
        if count:
            self.counts[word] = self._n = self._seen = count
            self._once[word] = True
            self._bursts = 1
            self._last = word
            self._mode = word
            self.mute = count < _ENOUGH

    def knows(self, word: str) -> bool:
        """Return whether the value came before and is counted; where many different ones come none is."""
        return word in self.counts

    def expects_new(self) -> bool:
        """Return whether the next value may be new, by the share of values seen once (Good 1953).

        Of words one that came twenty times in a row came once: hosts and users come in bursts.
        """
        if self.kind != "few":
            return True
        if self.is_word:
            once, all_seen = len(self._once), self._bursts
        else:
            once = sum(1 for times in self.counts.values() if times == 1)
            all_seen = self._n + self._calm
        return once >= _NEW_BEFORE and once >= _EXPECTED * all_seen

    def is_news(self, word: str) -> bool:
        """Return whether a run of this value can be news: it is not one of many names, nor the usual one."""
        return not (self.is_word and self.expects_new()) and (self.kind != "few" or word != self._mode)

    def cost(self, word: str) -> float | None:
        """Return the bits of a value by its share so far; None where that says nothing yet, or any more."""
        count = self._n + self._calm
        if self.kind != "few" or count < _ENOUGH_TO_COST:
            return None
        return log2((count + len(self.counts) / 2) / (self.times(word) + 0.5))

    def times(self, word: str) -> int:
        """Return how often a value of a category came; the last 2,000 values count in full."""
        return self.counts.get(word, 0) + (self._calm if word == self._mode else 0)

    def see(self, word: str, position: int, number: int) -> float:
        """Add a value; return by how many bits its run is beyond the slot's record, 0 for nothing odd.

        `position` is the event's in the stream, `number` its own.
        """
        kind = self.kind
        if kind == "few":
            if word == self._mode and not self.sum:
                self._calm += 1
                self.first = 0.0
                if self._calm >= _EVERY:
                    self._count_calm()
                return 0.0
            bits = self._category(word)
        elif kind == "number":
            bits = self._number(word)
        else:
            return 0.0
        if bits <= 0 and not self.sum:
            return 0.0  # as nearly always: no run, and none begins
        return self._add(word, bits, position, number)

    def _add(self, word: str, bits: float, position: int, number: int) -> float:
        was = self.sum
        now = min(_MOST, was + bits)
        if now <= 0:
            self.end_run()
            return 0.0
        self.sum = now
        self.length += 1
        if now <= was:
            return 0.0
        if self.kind == "few":
            self.run[word] = self.run.get(word, 0) + 1
            self._latest[word] = number
        self.lines.append(number)
        if len(self.lines) > _SHOWN:
            del self.lines[0]
        self._past.add(position, now)
        if self.mute or position - self._born < min(LAG, position // 3):
            return -self.first  # a record leaves out what is newer, so there is none yet
        self.record = self._past.value(position)
        return now - self.record if now > self.record else -self.first

    def end_run(self) -> None:
        """End the run of unusual values, if there is one."""
        if self.length:
            self.sum = 0.0
            self.lines.clear()
            self.run.clear()
            self._latest.clear()
            self.length = 0

    def _count_calm(self) -> None:
        self._n += self._calm
        self._seen += self._calm
        self.counts[self._mode] += self._calm
        self._calm = 0
        self._fit()

    def _category(self, word: str) -> float:
        if self._calm:
            self._count_calm()
            self._last = self._mode
        counts = self.counts
        if not self.is_word and self._goes_on(word):
            counts[word] = counts.get(word, 0) + 1
            self._n += 1
            self._seen += 1
            return -_SLACK
        if self.is_word and word != self._last:
            self._count_burst(word)
        self._n = n = self._n + 1
        self._seen = seen = self._seen + 1
        all_seen, count = n + len(counts) / 2, counts.get(word, 0)
        self.first = 0.0
        if count:
            bits = log2(all_seen / (count + 0.5))
        else:
            once = sum(1 for times in counts.values() if times == 1)
            bits = max(0.0, log2(all_seen / (once + 0.5))) if n > 1 else 0.0
            least = _KNOWN_WORDS if self.is_of_message else _KNOWN
            if n > least and (once + 1) < _EXPECTED * n:
                self.first = bits
        counts[word] = count + 1
        bits = max(bits - self._mean - _SLACK, self._less if word == self._mode else self._more)
        if not seen % _EVERY or seen == _EVERY // 4:
            self._fit()
        return bits

    def _count_burst(self, word: str) -> None:
        self._last = word
        self._bursts += 1
        if word in self.counts:
            self._once.pop(word, None)
        else:
            self._once[word] = True

    def _goes_on(self, word: str) -> bool:
        """Return whether numbers have only risen, this one included, as a counter or a date does."""
        last, self._last = self._last, word
        if not self._returns and last and float(word) < float(last):
            self._returns = True
        return not self._returns and len(self.counts) >= 2

    def _fit(self) -> None:
        """Decide whether it is still a category, and update the average cost of its values."""
        counts, kinds = self.counts, len(self.counts)
        few = _FEW_WORDS if self.is_word else FEW
        if kinds > few or (not self.is_word and kinds > 4 and kinds * 12 > self._n):
            self._open()
            return
        if self._n >= _MEMORY:
            self.counts = counts = {word: times // 2 for word, times in counts.items() if times > 1}
            self._n = sum(counts.values())
            self._once = {word: True for word in self._once if word in counts}
            self._bursts = max(1, self._bursts // 2)
        self.mute = self._seen < _ENOUGH
        self._mean = sum(times / self._n * log2(self._n / times) for times in counts.values())
        self._mode = max(counts, key=lambda word: (counts[word], word))
        others = 1 - counts[self._mode] / self._n
        often = min(_OFTEN, _TIMES * others)
        if _RARELY < others < often:
            self._more = log2(often / others)
            self._less = min(-_FALL, log2((1 - often) / (1 - others)))
        else:
            self._more = self._less = -_SLACK

    def _open(self) -> None:
        """Turn a category with too many different values into a slot of words or of numbers."""
        self.kind = "many" if self.is_word else "number"
        if self.kind == "number":
            self._held = [float(word) for word, times in self.counts.items() for _ in range(times)][-_HELD:]
            self._fit_range()
        self.end_run()
        self.counts = {}
        self._mean, self._mode = _INSIDE, ""
        self.mute = True
        self._past = Record()

    def _number(self, word: str) -> float:
        value = float(word)
        self._seen = seen = self._seen + 1
        held = self._held
        held.append(value)
        bits = -_SLACK
        if not self._low <= value <= self._high:
            self._outside += 1
            bits = self._beyond(value)
        if not seen % _EVERY:
            self.mute = self._outside > _DRIFTS or seen <= 2 * _ENOUGH
            self._outside = 0
            del held[:-_HELD]
            self._fit_range()
        return bits

    def _beyond(self, value: float) -> float:
        if self._is_log and value <= 0:
            return _MOST_EACH
        at = log(value) if self._is_log else value
        far = (at - self._upper) / self._up if at > self._upper else (self._lower - at) / self._down
        return min(_MOST_EACH, _OUTSIDE + far * _LOG2_E) - _INSIDE - _SLACK

    def _fit_range(self) -> None:
        values = sorted(self._held)
        self._low, self._high = values[0], values[-1]
        tenth, ninetieth = _quantile(values, 0.1), _quantile(values, 0.9)
        self._is_log = values[0] > 0 and ninetieth > _DECADE * tenth
        far_up, far_down = _quantile(values, 0.98), _quantile(values, 0.02)
        if self._is_log:
            tenth, ninetieth, far_up, far_down = map(log, (tenth, ninetieth, far_up, far_down))
        span = ninetieth - tenth or abs(ninetieth) / 20 or 1.0
        self._lower, self._upper = tenth, ninetieth
        # log(0.1 / 0.02): how many mean excesses lie between the upper tenth and the upper fiftieth.
        self._up = max((far_up - ninetieth) / 1.6, span / 5)
        self._down = max((tenth - far_down) / 1.6, span / 5)

    def commonest(self, word: str) -> tuple[str, int]:
        """Return the commonest value of a run and the number of the last event with it; `word` came last."""
        if self.kind != "few" or not self.run:
            return word, self.lines[-1]
        found = max(self.run, key=lambda one: (self.run[one], one))
        return found, self._latest[found]

    def usual(self) -> str:
        """Return in words what stood here before a run: the range, or the commonest value."""
        if self.kind == "number":
            values = sorted(self._held[: -self.length or None] or self._held)
            return f"{_quantile(values, 0.05):.4g} to {_quantile(values, 0.95):.4g} {self.unit}".rstrip()
        return self._mode

    def usual_share(self, word: str) -> float:
        """Return how often a word of a category came before its run, as a share of all."""
        before = max(0, self.counts.get(word, 0) - self.run.get(word, 0))
        return before / max(1, self._n - self.length)

    def leave_out(self, first: int, last: int) -> None:
        """Forget the records that were set between two positions, both included."""
        self._past.leave_out(first, last)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `from_state`."""
        return [copy(getattr(self, name)) for name in _PLAIN] + [self._past.state()]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> "Slot":
        """Return the slot that gave this state."""
        slot = cls("")
        for name, value in zip(_PLAIN, state[:-1], strict=True):
            setattr(slot, name, copy(value))
        slot._past.restore(state[-1])
        return slot


_PLAIN = tuple(name for name in Slot.__slots__ if name != "_past")


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
