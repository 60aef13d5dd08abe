"""The scorer of lines: six views of each line of a log, or record of LLM traffic, and their p-values.

Each view finds what goes beyond its thing's own record (in bits); here this is ranked in the view's own past,
and becomes a candidate. `FLOORS` is how many bits each view must show: what a thing exceeds its record by in
the long run by chance alone, with many things and many windows, and the smallest effect that is worth a
person's time. A candidate below it has a novelty of 0: it counts for the review queue and for the p-values
only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..acknowledged import Acknowledged
from ..events import Event
from ..parameters import Parameters
from ..scoring.own_past import LAG, WINDOW, Past
from ..scoring.views import Candidate, Method
from . import words
from .absence import Absence
from .disorder import Backwards
from .levels import severity_of_level
from .mix import Mix
from .order import Order
from .pauses import Hours, Pauses
from .slots import Slot, measured
from .templates import Pattern, Plan, Templates
from .text import MEMORY, MOST_COUNTS, SPELLED, News, Text
from .things import Thing

# Text has the largest share: a single line must be enough, and there are as many chances as lines.
WEIGHTS: Mapping[str, float] = {
    "text": 0.4, "values": 0.2, "mix": 0.15, "absence": 0.1, "time": 0.1, "order": 0.05,
}  # fmt: skip
FLOORS = {"text": 0.0, "values": 16.0, "mix": 20.0, "absence": 8.0, "time": 24.0, "order": 60.0}
_NUMBER_FLOOR = 25.0  # of values: a tail that is fitted to 256 numbers may be heavier than it looks
_SEVERE = 2  # of `levels.severity_of`: an error or more
_TURNED = 0.75  # novelty of a line that names the other outcome
_MESSAGE = 2  # lines without a level of their own that belong to the one before them
_RARE = 8  # lines of which one may have such a level
_STEPS_FLOOR = 40.0  # of order: of the steps of the whole stream, which add up faster
_UNIT = 10  # events of a block of all views but text, whose unit is the event
_EARLY = 3 * LAG  # events before which the whole mix is not known
_BEGIN = 300  # events before which no view but text is ranked
_WORTH = 0.5  # of a view's share: candidates with a larger p-value are not made
_NUMBER_BEGINS, _UNIT_ENDS = frozenset("+-0123456789"), frozenset("snmhB%")
_LEVELS = frozenset(("level", "severity", "severityText", "PRIORITY", "log.level", "levelname"))
_LLM_COUNTS, _LLM_TOKENS = 4 * MOST_COUNTS, 8_192


class LineScorer:
    """Logs: templates, and six views of them. See `scoring.views.Scorer`."""

    weights = WEIGHTS
    method: Method = "conformal"

    def __init__(
        self, parameters: Parameters, most_counts: int = MOST_COUNTS, most_tokens: int = 512
    ) -> None:
        self._p_most = parameters.p_value_threshold
        self._novelty = parameters.ncd_threshold
        self._start = parameters.baseline_size + parameters.window_size
        self._offset = 0  # of event numbers against positions
        self._position = 0
        self._time = self._epoch = 0.0
        self._number = 0
        self._text_before = ""
        self._severe_until = 0
        self._former: Slot | None = None
        self._levels = Slot("level", is_word=True)
        self._templates = Templates()
        self._text = Text(self._templates, parameters.baseline_size, most_counts, most_tokens)
        self._mix = Mix(self._templates)
        self._absence = Absence()
        self._order = Order()
        self._pauses, self._hours, self._backwards = Pauses(), Hours(), Backwards()
        self._pasts = {
            view: Past(1, MEMORY, has_tail=False) if view == "text" else Past(_UNIT) for view in WEIGHTS
        }
        for view, past in self._pasts.items():
            past.begin(parameters.baseline_size if view == "text" else _BEGIN)

    def text(self, event: Event) -> str:
        """Return the event's pattern."""
        return self._templates.pattern_of(event.scored)

    def take(self, event: Event, learn: bool) -> Sequence[Candidate]:
        """Return what departs at an event, then learn it."""
        number = event[0]
        if not self._position:
            self._offset = number - 1
        self._position = position = number - self._offset
        text = event[3] or event[1]
        plan = self._templates.plan(text, position)
        pattern = plan.pattern
        template = pattern.template
        found: list[Candidate] = []
        moment = event[2]
        if moment is not None:
            self._take_time(event, moment, learn, found)
        if pattern.level:
            self._severe_until = position + _MESSAGE if self._is_severe(pattern.level) else 0
        news = self._text.take(pattern, number, learn)
        if news.weight:
            self._new_text(news, pattern, event, found)
        bits = self._mix.take(pattern, position, number, learn)
        if bits:
            self._many(template.thing, bits, number, text, found)
        self._absence.take(pattern.things, position, number, text, self._time)
        if learn:
            template.seen += 1
            self._take_values(plan, text, event, found)
            beyond, novelty = self._mix.whole(position)
            if beyond:
                self._other_mix(beyond, novelty, number, found)
        if self._absence.next_due() <= position:
            self._look_for_absent(found)
        self._number, self._text_before = number, text
        return found

    def train(self, events: Iterable[Event]) -> None:
        """Learn the events of a baseline (`Scorer.train`). All of its patterns are known from now on.

        The stream's first event is taken as simultaneous with the last one of the baseline, whichever was
        written earlier.
        """
        self._text.remembers = True
        for event in events:
            self.take(event, True)
        self._text.remembers = False
        self._epoch, self._severe_until, self._former = 0.0, 0, None
        self._mix.end_window()
        self._order.end_run()
        self._hours.end_source()
        self._backwards.end_source()
        self._levels.end_run()
        for slot in self._slots():
            slot.end_run()

    def knows(self, event: Event) -> bool:
        """Return whether a line of this pattern came before."""
        return self.text(event) in self._templates.patterns

    def _slots(self) -> Iterator[Slot]:
        for template in self._templates:
            yield from (*template.values.values(), *template.field_slots(), template.follower)

    def _take_values(self, plan: Plan, text: str, event: Event, found: list[Candidate]) -> None:
        position, number = self._position, event[0]
        for slot, start, end in plan.numbers:
            word = text[start:end]
            bits = slot.see(word, position, number)
            if bits:
                self._odd_value(slot, word, bits, found)
        pattern = plan.pattern
        template = pattern.template
        for slot, word in pattern.slots:
            bits = slot.see(word, position, number)
            if bits:
                self._odd_value(slot, word, bits, found)
        level = pattern.level
        for path, value in event[4]:
            if path in _LEVELS:
                level = str(value)
            shown, unit = (value, "") if isinstance(value, str) else (str(value), "")
            if isinstance(value, str) and value[-1:] in _UNIT_ENDS and value[:1] in _NUMBER_BEGINS:
                number_shown, unit = measured(value)
                shown = number_shown or value
            is_word = isinstance(value, str | bool) and not unit
            field = template.fields.get(path)
            if field is None or field.is_word is not is_word or field.unit != unit:
                field = template.field(path, is_word, unit, position)
            bits = field.see(shown, position, number)
            if bits:
                self._odd_value(field, shown, bits, found)
        if level:
            bits = self._levels.see(level, position, number)
            if bits:
                self._odd_value(self._levels, level, bits, found)
        if self._former is not None:
            bits = self._order.take(self._former, template.name, position, number)
            if bits:
                self._odd_steps(bits, text, found)
            bits = self._former.see(template.name, position, number)
            if bits:
                self._odd_order(self._former, bits, text, found)
        self._former = template.follower

    def _take_time(self, event: Event, moment: datetime, learn: bool, found: list[Candidate]) -> None:
        seconds = moment.timestamp()
        if not self._epoch:
            self._epoch = seconds - self._time
        now = seconds - self._epoch
        position = self._position
        if self._backwards.is_back(now):
            longest = self._pauses.longest(position)
            back = self._backwards.take(longest, position, event.number, learn)
            if back:
                said = words.backwards(back)
                self._add(found, "time", "back", back.novelty, back.bits, back.lines, event.number, said)
        if now <= self._time:
            self._hours.take(seconds)
            return
        pause = self._pauses.take(now - self._time, self._position, learn)
        self._time = now
        if pause:
            lines = (self._number, event.number)
            said = words.pause(pause)
            novelty = 1 - pause.record / pause.seconds
            self._add(found, "time", "pause", novelty, pause.bits, lines, event.number, said)
        hour = self._hours.take(seconds)
        if hour:
            last = self._number
            self._add(found, "time", "hour", hour.novelty, hour.bits, (last,), last, words.hour(hour))

    def _new_text(self, news: News, pattern: Pattern, event: Event, found: list[Candidate]) -> None:
        """A line with new words; those that stand where new ones keep coming (names, hosts) are no news."""
        number = event.number
        named = next((str(value) for path, value in event.fields if path in _LEVELS), "")
        is_severe = self._position <= self._severe_until or self._is_severe(named)
        novelty = news.if_severe if is_severe else news.novelty
        if pattern.is_known_kind():
            novelty = 0.0
        elif pattern.turns_outcome():
            novelty = max(novelty, _TURNED)
        self._add(found, "text", f"text {number}", novelty, news.weight, (number,), number, "")

    def _is_severe(self, level: str) -> bool:
        """Return whether a level is an error or more, and at most one line in eight of the stream has it."""
        return severity_of_level(level) >= _SEVERE and self._levels.times(level) * _RARE <= min(
            self._position, MEMORY
        )

    def _many(self, thing: Thing, bits: float, number: int, text: str, found: list[Candidate]) -> None:
        if self._position <= _EARLY:
            return
        record = max(1.0, thing.record.value(self._position))
        if self._is_worth("mix", bits):
            lines = tuple(self._mix.numbers(thing)[-50:])
            said = words.many(text, thing.now, WINDOW, record)
            self._add(
                found, "mix", f"template {thing.number}", 1 - record / thing.now, bits, lines, number, said
            )
        else:
            self._pasts["mix"].see(self._position, bits)

    def _other_mix(self, bits: float, novelty: float, number: int, found: list[Candidate]) -> None:
        if self._position <= _EARLY:
            return
        if self._is_worth("mix", bits):
            thing, usual = self._mix.most_unusual()
            numbers = self._mix.numbers(thing)
            text = thing.last_text
            said = words.share(text, thing.now, WINDOW, usual)
            self._add(found, "mix", "whole", novelty, bits, tuple(numbers[-50:]), numbers[-1], said)
        else:
            self._pasts["mix"].see(self._position, bits)

    def _look_for_absent(self, found: list[Candidate]) -> None:
        for absent in self._absence.overdue(self._position, self._time):
            thing = absent.thing
            said = words.absent(absent)
            made = self._add(
                found, "absence", f"template {thing.number}", absent.novelty, absent.bits,
                (thing.last_number,), thing.last_number, said, text=thing.last_text,
            )  # fmt: skip
            if made and made.novelty >= self._novelty and made.p_value / WEIGHTS["absence"] < self._p_most:
                thing.is_gone = True

    def _odd_value(self, slot: Slot, word: str, bits: float, found: list[Candidate]) -> None:
        if slot.first:
            self._first_value(slot, word, found)
        if self._position <= _BEGIN or bits <= 0:
            return
        if not self._is_worth("values", bits):
            self._pasts["values"].see(self._position, bits)
            return
        floor = _NUMBER_FLOOR if slot.kind == "number" else FLOORS["values"]
        word, odd = slot.commonest(word)
        novelty = 1 - slot.record / slot.sum if slot.is_news(word) else 0.0
        self._add(
            found, "values", f"slot {slot.name}", novelty, bits, tuple(slot.lines), odd,
            words.value(slot, word), floor,
        )  # fmt: skip

    def _first_value(self, slot: Slot, word: str, found: list[Candidate]) -> None:
        """A value that is new where new ones do not come: it need not be half of the line."""
        number = self._position + self._offset
        # A word of the message is new text already, which has a sentence of its own.
        is_text = slot.is_word and slot.is_of_message
        thing, said = (f"text {number}", "") if is_text else (f"slot {slot.name}", words.first(slot, word))
        self._add(found, "text", thing, 1 - 2**-slot.first, slot.first + SPELLED, (number,), number, said)

    def _odd_order(self, slot: Slot, bits: float, text: str, found: list[Candidate]) -> None:
        if self._position <= _BEGIN:
            return
        if not self._is_worth("order", bits):
            self._pasts["order"].see(self._position, bits)
            return
        lines = (self._number, self._position + self._offset)
        said = words.order(text, self._text_before)
        self._add(found, "order", "order", 1 - slot.record / slot.sum, bits, lines, lines[-1], said)

    def _odd_steps(self, bits: float, text: str, found: list[Candidate]) -> None:
        order = self._order
        if self._position <= _EARLY:
            return
        if not self._is_worth("order", bits):
            self._pasts["order"].see(self._position, bits)
            return
        said = words.steps(text, self._text_before, order)
        self._add(
            found, "order", "steps", 1 - order.record / order.sum, bits, tuple(order.lines), order.lines[-1],
            said, _STEPS_FLOOR,
        )  # fmt: skip

    def _is_worth(self, view: str, bits: float) -> bool:
        """Return whether a surprise is rare enough for a sentence."""
        return (
            self._position > self._start
            and self._pasts[view].p_value(self._position, bits) < _WORTH * WEIGHTS[view]
        )

    def _add(
        self, found: list[Candidate], view: str, thing: str, novelty: float, bits: float, lines: tuple[int,
        ...], odd: int, said: str, floor: float | None = None, text: str = "",
    ) -> Candidate | None:  # fmt: skip
        past = self._pasts[view]
        p_value = past.p_value(self._position, bits)
        past.see(self._position, bits)
        if self._position <= self._start or p_value >= _WORTH * WEIGHTS[view]:
            return None
        if bits < (FLOORS[view] if floor is None else floor):
            novelty = 0.0
        made = Candidate(view, thing, p_value, novelty, bits, lines, odd, said, text)
        found.append(made)
        return made

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the events that analysts acknowledged, and the records that they set."""
        self._text.leave_out(acknowledged)
        for first, last in acknowledged.spans():
            first, last = first - self._offset, last - self._offset
            for past in self._pasts.values():
                past.leave_out(first, last)
            self._mix.leave_out(first, last)
            self._order.leave_out(first, last)
            self._pauses.leave_out(first, last)
            self._backwards.leave_out(first, last)
            self._levels.leave_out(first, last)
            for template in self._templates:
                template.thing.record.leave_out(first, last)
            for slot in self._slots():
                slot.leave_out(first, last)

    def state(self) -> dict[str, Any]:
        """Return all it knows as plain JSON values, for `restore`."""
        former = next((one.number for one in self._templates if one.follower is self._former), 0)
        place = [self._offset, self._position, self._time, self._epoch, self._number]
        return {
            "place": [*place, self._text_before, self._severe_until, former],
            "templates": self._templates.state(),
            "text": self._text.state(),
            "mix": self._mix.state(),
            "order": self._order.state(),
            "pauses": self._pauses.state(),
            "hours": self._hours.state(),
            "backwards": self._backwards.state(),
            "levels": self._levels.state(),
            "pasts": {view: past.state() for view, past in self._pasts.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._offset, self._position, self._time, self._epoch, self._number = state["place"][:5]
        self._text_before, self._severe_until, former = state["place"][5:]
        self._templates.restore(state["templates"])
        self._former = next((one.follower for one in self._templates if one.number == former), None)
        self._text.restore(state["text"])
        self._mix.restore(state["mix"])
        self._absence.hold(self._templates.things())
        self._order.restore(state["order"])
        self._pauses.restore(state["pauses"])
        self._hours.restore(state["hours"])
        self._backwards.restore(state["backwards"])
        self._levels = Slot.from_state(state["levels"])
        for view, past in self._pasts.items():
            past.restore(state["pasts"][view])


class PromptScorer(LineScorer):
    """LLM traffic: texts of thousands of words, of which fewer are remembered."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters, _LLM_COUNTS, _LLM_TOKENS)
