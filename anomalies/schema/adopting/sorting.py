"""What differs from the contract, sorted: what blocks, what can be repaired and how, what does no harm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..catalog import Catalog
from ..drift import Difference, compare

TABLES = ("anomalies", "detection_config", "performance_metrics", "audit_log")
NOTHING = "SELECT 1"
Verdict = Literal["blocking", "repaired", "harmless"]


@dataclass(frozen=True, slots=True)
class Step:
    """A statement and the one that undoes it.

    Those of one finding run in one transaction, but for one that is to run ``alone`` (a scan should not stand
    under the locks of the others) or ``concurrently`` (outside of any transaction).
    """

    do: str
    undo: str
    alone: bool = False
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference, what comes of it, and why; the steps that repair it."""

    verdict: Verdict
    difference: Difference
    why: str
    steps: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.verdict}: {self.difference.kind} {self.difference.name}: {self.why}"


def sort(contract: Catalog, full: Catalog, live: Catalog) -> list[Finding]:
    """Every difference of ``live`` from ``contract``. ``full`` is what all migrations make."""
    differences = compare(contract, live)
    by_key = {(d.kind, d.name): d for d in differences}
    findings = []
    renamed: set[tuple[str, str]] = set()
    for difference in differences:
        twin = _renamed(difference, by_key, renamed)
        if twin is not None:
            renamed |= {(d.kind, d.name) for d in (difference, twin)}
            findings.append(_rename(difference, twin))
    for difference in differences:
        if (difference.kind, difference.name) not in renamed and not _is_said_by_another(difference, by_key):
            findings.append(_finding(difference, contract, full, live))
    return findings


def _is_said_by_another(difference: Difference, by_key: dict[tuple[str, str], Difference]) -> bool:
    """A key's index goes with the key, a view's columns with the view; Django's table comes later."""
    if difference.name.startswith("django_migrations"):
        return True
    if difference.kind == "index":
        return ("constraint", difference.name) in by_key
    return difference.kind == "column" and ("view", difference.name.split(".")[0]) in by_key


# --- the same under another name --------------------------------------------------------------------------


def _renamed(
    difference: Difference, by_key: dict[tuple[str, str], Difference], taken: set[tuple[str, str]]
) -> Difference | None:
    if difference.kind not in ("constraint", "index") or difference.what != "missing":
        return None
    for (kind, name), other in by_key.items():
        alike = kind == difference.kind and other.what == "extra" and (kind, name) not in taken
        if (
            alike
            and _table(other) == _table(difference)
            and _nameless(other.found) == _nameless(difference.expected)
        ):
            return other
    return None


def _nameless(definition: str | None) -> str:
    return re.sub(r"INDEX \S+ ON", "INDEX ON", definition or "")


def _rename(wanted: Difference, found: Difference) -> Finding:
    new, old, table = _name(wanted), _name(found), _table(wanted)
    if wanted.kind == "index":
        step = Step(
            f'ALTER INDEX public."{old}" RENAME TO "{new}"', f'ALTER INDEX public."{new}" RENAME TO "{old}"'
        )
    else:
        change = 'ALTER TABLE public."{}" RENAME CONSTRAINT "{}" TO "{}"'
        step = Step(change.format(table, old, new), change.format(table, new, old))
    return Finding("repaired", wanted, f"is there under the name {old}; renamed", (step,))


def _name(difference: Difference) -> str:
    return difference.name.split(" on ")[0]


def _table(difference: Difference) -> str:
    return difference.name.rpartition(" on ")[2]


# --- one difference after the other -----------------------------------------------------------------------


def _finding(difference: Difference, contract: Catalog, full: Catalog, live: Catalog) -> Finding:
    if difference.what == "extra":
        return _extra(difference, full)
    sorter = {
        "column": _column,
        "constraint": _constraint,
        "index": _index,
        "trigger": _trigger,
        "function": _function,
        "view": _view,
        "privilege": _privilege,
    }.get(difference.kind, _unrepaired)
    return sorter(difference)


def _unrepaired(difference: Difference) -> Finding:
    if difference.what == "missing":
        return Finding("blocking", difference, f"is missing; it should be: {difference.expected}")
    return Finding("blocking", difference, f"is {difference.found}; it should be {difference.expected}")


def _privilege(difference: Difference) -> Finding:
    return Finding("harmless", difference, "privileges are the operator's; see `manage.py roles`")


def _extra(difference: Difference, full: Catalog) -> Finding:
    if (difference.kind, difference.name) in full:
        return Finding(
            "blocking", difference, "is in the way of what later migrations make; rename or drop it"
        )
    found = difference.found or ""
    on_ours = _table(difference) in TABLES or difference.name.split(".")[0] in TABLES
    if on_ours and difference.kind == "column" and "NOT NULL" in found and "DEFAULT" not in found:
        return Finding("blocking", difference, "must be given and has no default; our INSERTs don't know it")
    if on_ours and (difference.kind in ("constraint", "rule", "policy") or "UNIQUE INDEX" in found):
        return Finding("blocking", difference, f"may refuse or turn away what we write ({found}); drop it")
    return Finding("harmless", difference, "is not ours, and stays as it is")


_COLUMN = re.compile(
    r"(?P<type>.*?)(?: COLLATE (?P<collation>\S+))?(?P<required> NOT NULL)?"
    r"(?: DEFAULT (?P<default>.*?))?(?P<rest> (?:GENERATED|STORAGE|COMPRESSION) .*)?"
)


def _column(difference: Difference) -> Finding:
    if difference.found is None or difference.expected is None:
        return _unrepaired(difference)
    wanted, found = _parts(difference.expected), _parts(difference.found)
    if (wanted["type"], wanted["collation"]) != (found["type"], found["collation"]):
        return _unrepaired(difference)
    if "GENERATED" in (found["rest"] or ""):
        return _unrepaired(difference)
    table, column = (f'"{part}"' for part in difference.name.split("."))
    steps = [*_default_steps(table, column, wanted["default"], found["default"])]
    if wanted["required"] and not found["required"]:
        steps += _required_steps(table, column)
    if found["required"] and not wanted["required"]:
        alter = f"ALTER TABLE public.{table} ALTER {column} {{}} NOT NULL"
        steps.append(Step(alter.format("DROP"), alter.format("SET")))
    if not steps:
        return Finding("harmless", difference, f"is stored otherwise: {difference.found}")
    return Finding(
        "repaired", difference, f"was {difference.found}; will be {difference.expected}", tuple(steps)
    )


def _parts(definition: str) -> dict[str, str | None]:
    match = _COLUMN.fullmatch(definition)
    assert match is not None
    return match.groupdict()


def _default_steps(table: str, column: str, wanted: str | None, found: str | None) -> Iterator[Step]:
    if wanted == found:
        return
    alter = f"ALTER TABLE public.{table} ALTER {column} "

    def to(default: str | None) -> str:
        return alter + ("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")

    yield Step(to(wanted), to(found))


def _required_steps(table: str, column: str) -> list[Step]:
    """NOT NULL without a scan under an exclusive lock: a validated CHECK proves it."""
    check = f'"{column.strip(chr(34))}_is_there"'
    change = f"ALTER TABLE public.{table} "
    drop = f"{change}DROP CONSTRAINT IF EXISTS {check}"
    return [
        Step(f"{change}ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID", drop),
        Step(f"{change}VALIDATE CONSTRAINT {check}", NOTHING, alone=True),
        Step(f"{change}ALTER {column} SET NOT NULL", f"{change}ALTER {column} DROP NOT NULL"),
        Step(drop, NOTHING),
    ]


def _constraint(difference: Difference) -> Finding:
    name, table = f'"{_name(difference)}"', f'public."{_table(difference)}"'
    wanted = (difference.expected or "").removesuffix(" (not validated)")
    if not wanted.startswith("CHECK"):
        return _unrepaired(difference)
    drop = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
    add = f"ALTER TABLE {table} ADD CONSTRAINT {name} {{}}"
    former = difference.found
    steps = []
    if former is not None:
        steps.append(Step(drop, add.format(former.replace(" (not validated)", " NOT VALID"))))
    steps.append(Step(add.format(f"{wanted} NOT VALID"), drop))
    steps.append(Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", NOTHING, alone=True))
    why = "is missing; added" if former is None else f"was {former}; replaced"
    return Finding("repaired", difference, why, tuple(steps))


def _index(difference: Difference) -> Finding:
    name = f'public."{_name(difference)}"'
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    steps = []
    if difference.found is not None:
        again = _concurrently(difference.found.removesuffix(" (invalid)"))
        steps.append(Step(drop, again, concurrently=True))
    steps.append(Step(_concurrently(difference.expected or ""), drop, concurrently=True))
    why = "is missing; built" if difference.found is None else f"was {difference.found}; built anew"
    return Finding("repaired", difference, why, tuple(steps))


def _concurrently(definition: str) -> str:
    return re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX CONCURRENTLY IF NOT EXISTS ", definition)


_ENABLED = re.compile(
    r"(?P<sql>.*?)(?: \((?P<state>disabled|enabled always|enabled for replicas only)\))?", re.S
)


def _trigger(difference: Difference) -> Finding:
    name, table = f'"{_name(difference)}"', f'public."{_table(difference)}"'
    drop = f"DROP TRIGGER IF EXISTS {name} ON {table}"
    steps = []
    if difference.found is not None:
        former = _ENABLED.fullmatch(difference.found)
        assert former is not None
        again = former["sql"]
        if former["state"] == "disabled":
            again += f"; ALTER TABLE {table} DISABLE TRIGGER {name}"
        steps.append(Step(drop, again))
    steps.append(Step(difference.expected or "", drop))
    why = "is missing; made" if difference.found is None else f"was {difference.found}; made anew"
    return Finding("repaired", difference, why, tuple(steps))


_BODY = re.compile(r"RETURNS (?P<returns>.*?) LANGUAGE (?P<language>\S+) .*?\bAS (?P<body>.*)", re.S)


def _function(difference: Difference) -> Finding:
    steps = (Step(_create(difference.name, difference.expected), _create(difference.name, difference.found)),)
    why = "is missing; made" if difference.found is None else "has another text; replaced"
    return Finding("repaired", difference, why, steps)


def _create(name: str, definition: str | None) -> str:
    """The statement that makes a function as the catalog tells it; that drops one that was not there."""
    if definition is None:
        return f"DROP FUNCTION IF EXISTS public.{name}"
    match = _BODY.search(definition)
    assert match is not None
    definer = " SECURITY DEFINER" if "SECURITY DEFINER" in definition else ""
    body = match["body"].replace("$driftlock$", "")
    return (
        f"CREATE OR REPLACE FUNCTION public.{name} RETURNS {match['returns']} "
        f"LANGUAGE {match['language']}{definer} AS $driftlock${body}$driftlock$"
    )


def _view(difference: Difference) -> Finding:
    drop = f'DROP VIEW IF EXISTS public."{difference.name}"'
    make = f'CREATE VIEW public."{difference.name}" AS {{}}'
    steps = []
    if difference.found is not None:
        steps.append(Step(drop, make.format(_query(difference.found))))
    steps.append(Step(make.format(_query(difference.expected or "")), drop))
    why = "is missing; made" if difference.found is None else "has another query; made anew"
    return Finding("repaired", difference, why, tuple(steps))


def _query(definition: str) -> str:
    return definition.partition("AS ")[2].rstrip(";")
