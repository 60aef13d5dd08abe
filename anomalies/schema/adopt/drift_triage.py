"""The differences from the contract, classified as blocking, repaired (with the steps) or harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..catalog import Catalog
from ..contract_tables import TABLES
from ..drift import Difference, compare
from ..own_schema import PUBLIC
from ..repairs import PROOF, Step, column_parts, is_somebody_elses, rename, repair, table_of

Verdict = Literal["blocking", "repaired", "harmless"]
Keys = dict[tuple[str, str], Difference]


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference with its verdict, the reason, and the steps that repair it."""

    verdict: Verdict
    difference: Difference
    why: str
    steps: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.verdict}: {self.difference.kind} {self.difference.name}: {self.why}"


def sort(contract: Catalog, full: Catalog, live: Catalog, schema: str = PUBLIC) -> list[Finding]:
    """Every difference of ``live`` from ``contract``. ``full`` is the catalog that all migrations make."""
    findings = list(_in_the_way(full, live))
    said = {(f.difference.kind, f.difference.name) for f in findings}
    differences = [d for d in compare(contract, live, schema) if (d.kind, d.name) not in said]
    by_key = {(d.kind, d.name): d for d in differences}
    for difference, twin in list(_renamed(by_key)):
        by_key.pop((difference.kind, difference.name))
        by_key.pop((twin.kind, twin.name))
        why = f"is there under the name {twin.name.split(' on ')[0]}; renamed"
        findings.append(Finding("repaired", difference, why, (rename(difference, twin),)))
    left = {(d.kind, d.name): d for d in differences}
    for difference in by_key.values():
        if not _is_covered(difference, left):
            findings.append(_finding(difference, contract, full, live))
    return findings


def _is_covered(difference: Difference, differences: Keys) -> bool:
    """True if another difference covers it: the key of a key's index, the view of a view's columns."""
    if difference.kind == "index":
        return ("constraint", difference.name) in differences
    if difference.kind == "constraint" and difference.name.split(" on ")[0].endswith(PROOF):
        return True  # left by an interrupted run of ours; its column is still to become NOT NULL
    return difference.kind == "column" and ("view", difference.name.split(".")[0]) in differences


# --- names ------------------------------------------------------------------------------------------------

_RELATIONS = {
    *("table", "view", "materialized view", "sequence", "foreign table", "partitioned table", "index", "type")
}


def _in_the_way(full: Catalog, live: Catalog) -> Iterator[Finding]:
    """Findings for other objects with a name that our migrations need, now or later."""
    needed = {_bare(name) for kind, name in full if kind in _RELATIONS}
    for (kind, name), definition in sorted(live.items()):
        taken = kind in _RELATIONS and _bare(name) in needed and (kind, name) not in full
        routine = {"function": "procedure", "procedure": "function"}.get(kind, "")
        if taken or (routine, name) in full:
            yield _blocks(Difference(kind, name, None, definition))


def _blocks(difference: Difference) -> Finding:
    return Finding("blocking", difference, "is in the way of what our migrations make; rename or drop it")


def _bare(name: str) -> str:
    return name.split(" on ")[0]


def _renamed(differences: Keys) -> Iterator[tuple[Difference, Difference]]:
    """Pairs of a missing object and an equal one of another name; a key's index is renamed with the key."""
    taken: set[tuple[str, str]] = set()
    for (kind, name), wanted in list(differences.items()):
        if kind not in ("constraint", "index") or wanted.what != "missing":
            continue
        if kind == "index" and ("constraint", name) in differences:
            continue
        for key, found in differences.items():
            if key not in taken and found.what == "extra" and _is_alike(wanted, found):
                taken.add(key)
                yield wanted, found
                break


def _is_alike(one: Difference, other: Difference) -> bool:
    return (one.kind, table_of(one), _nameless(one.expected)) == (
        other.kind,
        table_of(other),
        _nameless(other.found),
    )


def _nameless(definition: str | None) -> str:
    return re.sub(r"INDEX \S+ ON", "INDEX ON", definition or "")


# --- one difference after the other -----------------------------------------------------------------------


def _finding(difference: Difference, contract: Catalog, full: Catalog, live: Catalog) -> Finding:
    if difference.kind == "privilege":
        return Finding("harmless", difference, "privileges are the operator's; see `manage.py roles`")
    if difference.what == "extra":
        return _extra(difference, full)
    if is_somebody_elses(difference):
        return Finding(
            "blocking", difference, f"is not the tables' owner's ({difference.found}); ALTER … OWNER TO"
        )
    if _is_only_stored_otherwise(difference):
        return Finding("harmless", difference, f"is stored otherwise, and stays so: {difference.found}")
    steps = repair(difference, contract, live)
    if not steps and difference.what == "missing":
        return Finding("blocking", difference, f"is missing; it should be: {difference.expected}")
    if not steps:
        return Finding("blocking", difference, f"is {difference.found}; it should be {difference.expected}")
    how = "is missing; made" if difference.found is None else f"was {difference.found}"
    if difference.kind in ("function", "view") and difference.found is not None:
        how = "has another text; replaced"
    elif difference.kind == "column":
        how += f"; will be {difference.expected}"
    return Finding("repaired", difference, how, steps)


_SETTINGS = re.compile(r", (?:WITH \(.*?\)|REPLICA IDENTITY .)")


def _is_only_stored_otherwise(difference: Difference) -> bool:
    """True if only storage parameters, replica identity or compression differ, which the operator decides."""
    if difference.kind == "table" and difference.found is not None:
        return _SETTINGS.sub("", difference.found) == difference.expected
    if difference.kind == "column" and difference.found is not None and difference.expected is not None:
        found, wanted = column_parts(difference.found), column_parts(difference.expected)
        rest = (found.pop("rest") or "") + (wanted.pop("rest") or "")
        return found == wanted and "GENERATED" not in rest
    return False


def _extra(difference: Difference, full: Catalog) -> Finding:
    if (difference.kind, difference.name) in full:
        return _blocks(difference)
    found = difference.found or ""
    on_ours = table_of(difference) in TABLES or difference.name.split(".")[0] in TABLES
    given = "DEFAULT" in found or "GENERATED" in found
    if on_ours and difference.kind == "column" and "NOT NULL" in found and not given:
        return Finding("blocking", difference, "must be given and has no default; our INSERTs don't know it")
    if on_ours and (difference.kind in ("constraint", "rule", "policy") or "UNIQUE INDEX" in found):
        return Finding("blocking", difference, f"may refuse or turn away what we write ({found}); drop it")
    return Finding("harmless", difference, "is not ours, and stays as it is")
