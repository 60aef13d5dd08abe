"""The size of each test that is long by nature: small for a newcomer's `make test`, full where time allows.

DRIFTLOCK_SIZES=full sets all of them to full; each has a variable of its own, which comes first. The end of a
run's output says which sizes were used.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

VARIABLE = "DRIFTLOCK_SIZES"

Variant = TypeVar("Variant")


class Size(NamedTuple):
    """The sizes of tests: ``small`` by default, ``full`` with DRIFTLOCK_SIZES=full."""

    small: float
    full: float
    what: str

    def chosen(self, name: str, environment: dict[str, str]) -> float:
        """The size that the environment asks for. Raises ValueError for one that is no number above 0."""
        default = self.full if environment.get(VARIABLE) == "full" else self.small
        value = float(environment.get(name) or default)
        if not value > 0:
            raise ValueError(f"{name} is {value:g}; it must be above 0")
        return value


SIZES = {
    "DRIFTLOCK_TAMPERINGS": Size(50, 1000, "random tamperings with the audit log"),
    "DRIFTLOCK_REPLAYS": Size(10, 100, "random changes that nothing recorded"),
    "DRIFTLOCK_URLS": Size(300, 5000, "generated addresses"),
    "DRIFTLOCK_CONCURRENCY": Size(0.1, 1, "times the writes of concurrent clients"),
    "DRIFTLOCK_TEST_ROWS": Size(10_000, 100_000, "rows a table under migrations and the overview"),
    "DRIFTLOCK_FOLLOWINGS": Size(25, 150, "generated lives of a followed file"),
    "DRIFTLOCK_VARIANTS": Size(0.33, 1, "of the variants of tests whose variants differ in one value"),
    "DRIFTLOCK_ADOPT_KILLS": Size(1, 3, "kills while a database is adopted"),
    "DRIFTLOCK_OTLP_KILLS": Size(1, 100, "kills of workers that judge what came by OTLP"),
    "DRIFTLOCK_LONG_LINE_BYTES": Size(256 * 1024**2, 1024**3, "bytes in one line"),
    "DRIFTLOCK_LOOK_ALIKES": Size(500, 50_000, "anomalies of five templates cleared by keys"),
    "DRIFTLOCK_SCREENS": Size(2, 4, "screens whose pages axe-core looks at"),
    "DRIFTLOCK_FUZZ_SECONDS": Size(2, 5, "seconds of fuzzing every parser"),
    "DRIFTLOCK_TORTURE": Size(0.05, 0.1, "of what make torture does"),
}


def size(name: str) -> float:
    """The size of a test by its variable."""
    return SIZES[name].chosen(name, dict(os.environ))


def amount(name: str) -> int:
    """The size as a whole number."""
    return max(1, round(size(name)))


def variants(every: Iterable[Variant]) -> list[Variant]:
    """The variants that a parametrized test runs: its share of them, with the first one, in their order.

    For tests whose variants take long (fill tables, serve pages, start processes) and differ in one value or
    two. Steps near the golden section spread them, so that of a product no factor is left at one value.
    """
    known = list(every)
    count = max(1, math.ceil(size("DRIFTLOCK_VARIANTS") * len(known)))
    step = next(n for n in itertools.count(round(0.618 * len(known))) if math.gcd(n, len(known)) == 1)
    return [known[place] for place in sorted(n * step % len(known) for n in range(min(count, len(known))))]


def report() -> list[str]:
    """The sizes that this run uses, a line each; first whether all of them are full."""
    chosen = {name: size(name) for name in SIZES}
    reduced = [name for name, each in SIZES.items() if chosen[name] < each.full]
    if not reduced:
        return ["all tests at full size"]
    lines = [
        f"{name}={chosen[name]:,.12g} of {SIZES[name].full:,.12g} {SIZES[name].what}" for name in reduced
    ]
    return [f"reduced sizes ({VARIABLE}=full sets all to full):", *lines]
