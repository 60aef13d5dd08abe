"""The templates of a stream: patterns that differ in a few words are one, and those words are its slots.

Drain's idea (He et al., ICWS 2017): lines of as many words that share most of them are of one kind. Here the
patterns (`patterns`) come first and are joined once, when a pattern is first seen, so that a line whose shape
was seen before costs one look-up. A word that was the same in all lines so far is a slot with one value: when
another word comes there ("success", then "failure") that value is what is new, however long the line is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .levels import level_of
from .outcomes import outcome_of
from .patterns import masked, pattern_of, shape_of
from .slots import Slot
from .things import Thing

ALIKE = 0.7  # of the words, at least, for two patterns to be one template
KNOWN_AFTER = 20  # lines, from which on what a template's words may be is known
_OUTCOME_AFTER = 10  # lines, from which on a template's usual outcome is known
_LEAST_WORDS = 2  # words without a mask that they must share
_MOST_COMPARED = 64  # templates that share a word in its place
_MOST_PATTERNS = 4_000
_MOST_SHAPES = 20_000
WILD = "<*>"
# Words of masks and punctuation alone, and zones.
_PREAMBLE = re.compile(r"(?:(?:(?:<(?:time|ip|id)>|[^\w\s<>])+|UTC|GMT|Z) )+")


class Template:
    """Patterns that differ in a few words; `words` has WILD where they do.

    `thing` is how often and when it came; `values` has the slots of its words and numbers, by (word, place in
    it), `fields` those of the events' fields, by path, and `others` those of a path with values of a second
    kind (`field`), `follower` what comes next, `seen` how many lines.
    """

    __slots__ = (
        "fields", "follower", "name", "number", "others", "patterns", "seen", "thing", "values", "words",
    )  # fmt: skip

    def __init__(self, number: int, words: list[str], thing: Thing) -> None:
        self.number = number
        self.name = str(number)
        self.words = words
        self.thing = thing
        self.patterns: list[Pattern] = []
        self.values: dict[tuple[int, int], Slot] = {}
        self.fields: dict[str, Slot] = {}
        self.others: dict[tuple[str, bool, str], Slot] = {}
        self.follower = Slot("next", is_word=True, born=thing.last)
        self.seen = 0

    def field(self, path: str, is_word: bool, unit: str, position: int) -> Slot:
        """Return the slot of a field's words, or of its numbers in a unit.

        A field may hold numbers in one event and words in the next: they have nothing to be compared by.
        """
        slot = self.fields.get(path)
        if slot is not None and (slot.is_word is not is_word or slot.unit != unit):
            slot = self.others.get((path, is_word, unit))
        if slot is None:
            slot = Slot(path, is_word=is_word, born=position)
            slot.unit = unit
            self.hold(slot)
        return slot

    def hold(self, slot: Slot) -> None:
        """Add the slot of a field that has none for such values."""
        if slot.name in self.fields:
            self.others[slot.name, slot.is_word, slot.unit] = slot
        else:
            self.fields[slot.name] = slot

    def field_slots(self) -> Iterator[Slot]:
        """Return the slots of all fields."""
        yield from self.fields.values()
        yield from self.others.values()


class Pattern:
    """A pattern of this stream: its template, what is counted of it, and the values of its words in slots.

    `level` is the first severity named in it, '' for none; `body` the share of it, 0 to 1, behind the times
    and numbers that it begins with.
    """

    __slots__ = ("body", "latest", "level", "longer", "slots", "template", "text", "things")

    def __init__(self, text: str, template: Template) -> None:
        self.text = text
        begin = _PREAMBLE.match(text)
        self.body = 1 - begin.end() / len(text) if begin and begin.end() < len(text) else 1.0
        self.level = level_of(text)
        self.template = template
        self.things: tuple[Thing, ...] = (template.thing,)
        self.slots: tuple[tuple[Slot, str], ...] = ()
        self.latest = self.longer = 0  # times in the memories of the text view

    def is_known_kind(self) -> bool:
        """Return whether its template is frequent, and its new words stand only where new ones are normal."""
        if self.template.seen < KNOWN_AFTER:
            return False
        new = [slot for slot, word in self.slots if not slot.knows(word)]
        return bool(new) and all(slot.expects_new() for slot in new)

    def turns_outcome(self) -> bool:
        """Return whether its template is known, and it names an outcome where the other one is usual."""
        return self.template.seen >= _OUTCOME_AFTER and any(
            outcome_of(word) * outcome_of(slot.usual()) < 0
            for slot, word in self.slots
            if slot.kind == "few" and not slot.knows(word)
        )

    def place(self) -> None:
        """Note which of its words stand in slots."""
        places = sorted(at for at, inside in self.template.values if inside < 0)
        if places:
            words = self.text.split(" ")
            self.slots = tuple((self.template.values[at, -1], words[at]) for at in places)


class Plan:
    """The plan for lines of one shape: their pattern, and the places of the values of its slots."""

    __slots__ = ("numbers", "pattern")

    def __init__(self, pattern: Pattern, numbers: tuple[tuple[Slot, int, int], ...]) -> None:
        self.pattern = pattern
        self.numbers = numbers


class Templates:
    """The templates of a stream. The same lines in the same order give the same templates.

    Holds at most 4,000 patterns; then the half that has not come for longest goes, and templates without one.
    """

    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self._templates: dict[int, Template] = {}
        self._plans: dict[bytes, Plan] = {}
        self._by_word: dict[tuple[int, int, str], list[Template]] = {}
        self._next = 0

    def __iter__(self) -> Iterator[Template]:
        return iter(self._templates.values())

    def plan(self, text: str, position: int) -> Plan:
        """Return what is known of a line; one look-up where a line of its shape came before."""
        key = shape_of(text)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_SHAPES:
                self._plans.clear()
            plan = self._plans[key] = self._made(text, position)
        return plan

    def pattern_of(self, text: str) -> str:
        """Return the pattern of a line, without learning it."""
        plan = self._plans.get(shape_of(text))
        return plan.pattern.text if plan else pattern_of(text)

    def things(self) -> Iterator[Thing]:
        """Return everything that is counted, each once, in a fixed order."""
        for template in self:
            yield template.thing
            for pattern in template.patterns:
                yield from pattern.things[1:]

    def _made(self, text: str, position: int) -> Plan:
        words, numbers = masked(text)
        name = " ".join(words)
        pattern = self.patterns.get(name) or self._new(name, words, position)
        template = pattern.template
        found, inside = [], -1
        former = -1
        for word, start, end in numbers:
            inside = inside + 1 if word == former else 0
            former = word
            if template.words[word] != WILD:
                slot = template.values.get((word, inside))
                if slot is None:
                    slot = template.values[word, inside] = Slot(
                        _slot_name(template.words, word), is_of_message=True, born=position
                    )
                found.append((slot, start, end))
        return Plan(pattern, tuple(found))

    def _new(self, name: str, words: list[str], position: int) -> Pattern:
        if len(self.patterns) >= _MOST_PATTERNS:
            self._forget()
        template = self._nearest(words)
        if template is None:
            template = Template(self._number(), words, Thing(self._next, position))
            self._templates[template.number] = template
            self._index(template)
            pattern = Pattern(name, template)
        else:
            pattern = self._join(name, words, template, position)
        template.patterns.append(pattern)
        self.patterns[name] = pattern
        return pattern

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _join(self, name: str, words: list[str], template: Template, position: int) -> Pattern:
        """Add a pattern to a template. Where it differs is a slot, and its first value the former word."""
        differ = [
            at
            for at, (was, now) in enumerate(zip(template.words, words, strict=True))
            if was not in (now, WILD)
        ]
        if differ:
            former = template.words
            template.words = [WILD if at in differ else word for at, word in enumerate(former)]
            for at in differ:
                for key in [key for key in template.values if key[0] == at]:
                    del template.values[key]  # a number in a word that varies is part of the word
                slot = template.values[at, -1] = Slot(
                    _slot_name(former, at), is_word=True, is_of_message=True
                )
                slot.begin(former[at], template.seen)
            self._drop_plans(template)
        pattern = Pattern(name, template)
        for one in (*template.patterns, pattern):
            one.place()
        if len(template.patterns) == 1:
            # What was counted as the template so far was this one pattern.
            only = template.patterns[0]
            only.things = (template.thing, template.thing.copy(self._number()))
        pattern.things = (template.thing, Thing(self._number(), position))
        return pattern

    def _drop_plans(self, template: Template) -> None:
        self._plans = {
            key: plan for key, plan in self._plans.items() if plan.pattern.template is not template
        }

    def _index(self, template: Template) -> None:
        size = len(template.words)
        for at, word in enumerate(template.words):
            if _is_plain(word):
                self._by_word.setdefault((size, at, word), []).append(template)

    def _nearest(self, words: Sequence[str]) -> Template | None:
        """The template most like a new pattern, by the share of words that stand in both at their places."""
        size, votes = len(words), dict[int, int]()
        for at, word in enumerate(words):
            if _is_plain(word):
                for template in self._by_word.get((size, at, word), ())[-_MOST_COMPARED:]:
                    votes[template.number] = votes.get(template.number, 0) + 1
        best, alike = None, ALIKE
        for number in sorted(votes, key=lambda one: (-votes[one], one))[:8]:
            found = _likeness(self._templates[number].words, words)
            if found > alike or (found == alike and best is None):
                best, alike = self._templates[number], found
        return best

    def _forget(self) -> None:
        """Keep the half of the patterns that came last, and the templates that still have one."""
        kept = sorted(self.patterns.values(), key=lambda one: (-one.things[-1].last, one.things[-1].number))
        for pattern in kept[_MOST_PATTERNS // 2 :]:
            pattern.things[-1].due = 0
        kept = kept[: _MOST_PATTERNS // 2]
        templates = {one.template.number: one.template for one in kept}
        for template in self:
            if template.number not in templates:
                template.thing.due = 0
        self._hold(kept, templates)

    def _hold(self, patterns: Sequence[Pattern], templates: dict[int, Template]) -> None:
        self._templates = dict(sorted(templates.items()))
        self.patterns = {}
        self._plans = {}
        self._by_word = {}
        for template in self:
            template.patterns = []
            self._index(template)
        for pattern in sorted(patterns, key=lambda one: one.things[-1].number):
            self.patterns[pattern.text] = pattern
            pattern.template.patterns.append(pattern)

    def state(self) -> dict[str, Any]:
        """Return it as plain JSON values, for `restore`."""
        return {"next": self._next, "templates": [_template_state(one) for one in self]}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._next = state["next"]
        made = [_template_from(one) for one in state["templates"]]
        patterns = [pattern for template in made for pattern in template.patterns]
        self._hold(patterns, {template.number: template for template in made})


def _is_plain(word: str) -> bool:
    """Return whether a word of a pattern holds no mask."""
    return "#" not in word and "<" not in word


def _likeness(template: Sequence[str], words: Sequence[str]) -> float:
    same, plain = 0.0, 0
    for was, now in zip(template, words, strict=True):
        if was == now:
            same += 1
            plain += _is_plain(now)
        elif was == WILD:
            same += 0.5
    return same / len(words) if plain >= _LEAST_WORDS else 0.0


def _slot_name(words: Sequence[str], at: int) -> str:
    """Return the name of a place: `took` of `took=#`, `status` of `"status": #`, else the word before."""
    key = words[at].rstrip("\"',;)").partition("=")[0].strip("\"'(,;")
    if "=" in words[at] and key:
        return key
    before = words[at - 1].strip("\"'()[]{},;:=") if at else ""
    if before.startswith("HTTP/"):
        return "status"  # of a request, in the common log format
    return before if any(map(str.isalpha, before)) else ""


def _template_state(template: Template) -> dict[str, Any]:
    return {
        "number": template.number,
        "words": template.words,
        "seen": template.seen,
        "thing": template.thing.state(),
        "values": [[*key, slot.state()] for key, slot in template.values.items()],
        "fields": [[slot.name, slot.state()] for slot in template.field_slots()],
        "follower": template.follower.state(),
        "patterns": [[one.text, [thing.state() for thing in one.things[1:]]] for one in template.patterns],
    }


def _template_from(state: dict[str, Any]) -> Template:
    template = Template(state["number"], list(state["words"]), Thing.from_state(state["thing"]))
    template.seen = state["seen"]
    template.values = {(at, inside): Slot.from_state(slot) for at, inside, slot in state["values"]}
    for _, slot in state["fields"]:
        template.hold(Slot.from_state(slot))
    template.follower = Slot.from_state(state["follower"])
    for text, things in state["patterns"]:
        pattern = Pattern(text, template)
        pattern.things = (template.thing, *(Thing.from_state(thing) for thing in things))
        template.patterns.append(pattern)
    for pattern in template.patterns:
        pattern.place()
    return template
