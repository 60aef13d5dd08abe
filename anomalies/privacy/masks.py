"""Masks, which replace what is personal or secret in the text of a new anomaly by the name of its kind.

``jane@example.org`` becomes ``[masked email]``. A mask is a regular expression and, for numbers that have a
check digit, its test, so that an order number is not taken for a card. The built-in expressions are bounded:
each takes time in proportion to the text, whatever the text is. An installation names the built-in masks that
it wants in DRIFTLOCK_MASK and adds its own in DRIFTLOCK_MASK_PATTERNS.

A row is masked by the same rules wherever it comes from, after its id was made from what it said: the same
line fed again, under other rules too, is the same row.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Mask:
    """One kind of text; ``is_one`` decides about a match of ``pattern``."""

    name: str
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool] = bool

    @property
    def mark(self) -> str:
        """The text in the place of a masked one."""
        return f"[masked {self.name}]"

    def apply(self, text: str) -> str:
        """Return the text with all that is of this kind replaced."""
        return self.pattern.sub(lambda match: self.mark if self.is_one(match[0]) else match[0], text)


_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MARK = re.compile(r"\[masked [a-z][a-z0-9-]{0,39}\]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LONGEST_PATTERN = 1_000  # characters


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(character.isdigit() for character in text)  # a::b is more often a name of C++


def _is_card(text: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"[ -]", "", text)
    return luhn.is_valid(digits) and len(set(digits)) > 1


def _is_iban(text: str) -> bool:
    from stdnum import iban  # takes 15 ms, which each command would wait for

    return bool(iban.is_valid(text))


BUILT_IN = {
    mask.name: mask
    for mask in (
        Mask("email", re.compile(r"[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")),
        Mask(
            "ip",
            re.compile(
                r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.]*[\w])"
                r"|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?(?![\w:])"
            ),
            _is_address,
        ),
        Mask("card", re.compile(r"(?<![\w.-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-])"), _is_card),
        Mask("iban", re.compile(r"(?<!\w)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?!\w)"), _is_iban),
        Mask(
            "secret",
            re.compile(
                r"(?<!\w)eyJ[\w-]{8,4096}\.[\w-]{2,4096}\.[\w-]{0,1024}"  # JSON Web Tokens
                r"|(?<=Bearer )[\w.~+/=-]{8,4096}|(?<=Basic )[\w+/=]{8,4096}"
                r"|(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)"  # access keys of AWS
            ),
        ),
    )
}


def compiled(names: Iterable[str], own: str) -> tuple[Mask, ...]:
    """Return the masks of these names, then those of ``own``: a line ``name = regular expression`` for each.

    Raises ImproperlyConfigured, which names what is wrong.
    """
    return *map(_built_in, names), *map(_own, filter(str.strip, own.splitlines()))


@lru_cache
def _configured(names: tuple[str, ...], own: str) -> tuple[Mask, ...]:
    return compiled(names, own)


def configured() -> tuple[Mask, ...]:
    """Return the masks of the settings. Raises ImproperlyConfigured."""
    return _configured(tuple(settings.MASK), settings.MASK_PATTERNS)


def masked(text: str, masks: Sequence[Mask]) -> str:
    """Return the text with everything replaced that a mask is for."""
    for mask in masks:
        text = mask.apply(text)
    return text


def masked_json(data: bytes, masks: Sequence[Mask]) -> bytes:
    """Return a JSON text with its strings and names masked."""
    return replaced_json(data, lambda text: masked(text, masks))


def replaced_json(data: bytes, replace: Callable[[str], str]) -> bytes:
    """Return a JSON text with its strings and names replaced; all else stays as it is written."""

    def replaced(match: re.Match[bytes]) -> bytes:
        before = json.loads(match[0], strict=False)
        after = replace(before)
        return match[0] if after == before else json.dumps(after, ensure_ascii=False).encode()

    return _STRING.sub(replaced, data)


def has_mark(text: str) -> bool:
    """True if a part of the text was masked."""
    return _MARK.search(text) is not None


def _built_in(name: str) -> Mask:
    try:
        return BUILT_IN[name]
    except KeyError:
        known = ", ".join(BUILT_IN)
        raise ImproperlyConfigured(
            f"DRIFTLOCK_MASK has the unknown mask {name!r}; it can have {known}."
        ) from None


def _own(line: str) -> Mask:
    name, _, expression = (part.strip() for part in line.partition("="))
    if not _NAME.fullmatch(name) or not 0 < len(expression) <= _LONGEST_PATTERN:
        raise ImproperlyConfigured(
            f"DRIFTLOCK_MASK_PATTERNS has {line.strip()!r}; write a name of lowercase letters, = and a "
            r"regular expression on each line, such as customer = KD-\d{6}"
        )
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ImproperlyConfigured(f"DRIFTLOCK_MASK_PATTERNS, {name}: {error}") from error
    if pattern.search(""):
        raise ImproperlyConfigured(f"DRIFTLOCK_MASK_PATTERNS, {name}: the expression matches an empty text")
    return Mask(name, pattern)
