"""Repairs: statements that give an object its expected definition, each with the statement that undoes it.

They are safe on tables in use: a CHECK is added NOT VALID and validated separately, an index is built
CONCURRENTLY, a column becomes NOT NULL by a validated CHECK, and no statement rewrites a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .catalog import Catalog
from .drift import Difference

NOTHING = "SELECT 1"


@dataclass(frozen=True, slots=True)
class Step:
    """A statement and the one that undoes it.

    The steps of a repair run in one transaction, except a step that runs ``alone`` (so that its scan does not
    prolong the locks of the others) or ``concurrently`` (outside of any transaction).
    """

    do: str
    undo: str
    alone: bool = False
    concurrently: bool = False


def repair(difference: Difference, wanted: Catalog, live: Catalog) -> tuple[Step, ...]:
    """The steps that give the object its expected definition; none if a person has to decide.

    ``wanted`` and ``live`` are the compared catalogs.
    """
    if difference.expected is None or difference.kind not in _REPAIRS or is_somebody_elses(difference):
        return ()
    return tuple(_REPAIRS[difference.kind](difference, wanted, live))


def is_somebody_elses(difference: Difference) -> bool:
    """True if the object has another owner than the tables; only that role can change it."""
    return (difference.found or "").startswith("owned by ")


def name_of(difference: Difference) -> str:
    """The name without its table."""
    return difference.name.split(" on ")[0]


def table_of(difference: Difference) -> str:
    """The table that a constraint, an index or a trigger is on."""
    return difference.name.rpartition(" on ")[2]


def rename(wanted: Difference, found: Difference) -> Step:
    """The step that renames an equal constraint or index to the expected name."""
    new, old = name_of(wanted), name_of(found)
    return Step(_rename(wanted, old, new), _rename(wanted, new, old))


def _rename(difference: Difference, old: str, new: str) -> str:
    if difference.kind == "index":
        index = difference.qualified(f'"{old}"')
        return f'ALTER INDEX {index} RENAME TO "{new}"'
    table = difference.qualified(f'"{table_of(difference)}"')
    return f'ALTER TABLE {table} RENAME CONSTRAINT "{old}" TO "{new}"'


# --- columns ----------------------------------------------------------------------------------------------

_COLUMN = re.compile(
    r"(?P<type>.*?)(?: COLLATE (?P<collation>\S+))?(?P<required> NOT NULL(?P<unproven> \(not validated\))?)?"
    r"(?: DEFAULT (?P<default>.*?))?(?P<rest> (?:GENERATED|STORAGE|COMPRESSION) .*)?",
    re.S,
)


def column_parts(definition: str) -> dict[str, str | None]:
    """The parts of a column's definition in the catalog, by name; None for an absent part."""
    match = _COLUMN.fullmatch(definition)
    assert match is not None
    return match.groupdict()


def is_another_type(difference: Difference) -> bool:
    """True if a column's values differ in type, collation or generation, which needs a rewrite."""
    wanted, found = column_parts(difference.expected or ""), column_parts(difference.found or "")
    if (wanted["type"], wanted["collation"]) != (found["type"], found["collation"]):
        return True
    return "GENERATED" in (wanted["rest"] or "") + (found["rest"] or "") and wanted["rest"] != found["rest"]


def _column(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    if difference.found is None or is_another_type(difference):
        return
    should, found = column_parts(difference.expected or ""), column_parts(difference.found)
    table, column = (f'"{part}"' for part in difference.name.split("."))
    table = difference.qualified(table)
    alter = f"ALTER TABLE {table} ALTER {column} "
    if should["default"] != found["default"]:
        yield Step(alter + _default(should["default"]), alter + _default(found["default"]))
    if should["required"] and (not found["required"] or found["unproven"]):
        yield from _required(table, column, undo=NOTHING if found["required"] else f"{alter}DROP NOT NULL")
    if found["required"] and not should["required"]:
        yield Step(f"{alter}DROP NOT NULL", f"{alter}SET NOT NULL")


def _default(default: str | None) -> str:
    return "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"


PROOF = "_is_there"  # the suffix of a CHECK that exists only while a column becomes NOT NULL


def _required(table: str, column: str, undo: str) -> Iterator[Step]:
    """Steps to NOT NULL without a scan under an exclusive lock: a validated CHECK proves it to PostgreSQL."""
    change = f"ALTER TABLE {table} "
    check = f'"{column.strip(chr(34))}{PROOF}"'
    drop = f"{change}DROP CONSTRAINT IF EXISTS {check}"
    # First drops the CHECK of an interrupted run.
    yield Step(f"{drop}; {change}ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID", drop)
    yield Step(f"{change}VALIDATE CONSTRAINT {check}", NOTHING, alone=True)
    yield Step(f"{change}ALTER {column} SET NOT NULL", undo)
    yield Step(drop, NOTHING)


# --- constraints, indexes, triggers -----------------------------------------------------------------------


def _constraint(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    name, table = f'"{name_of(difference)}"', difference.qualified(f'"{table_of(difference)}"')
    rule = (difference.expected or "").removesuffix(" (not validated)")
    if not rule.startswith("CHECK"):
        return
    drop = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
    add = f"ALTER TABLE {table} ADD CONSTRAINT {name} "
    validate = f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
    if difference.found is None:
        yield Step(f"{add}{rule} NOT VALID", drop)
    else:  # both in one statement, so that no row is inserted in between
        former = difference.found.removesuffix(" (not validated)").removesuffix(" NOT VALID")
        if "not validated" not in difference.found:  # undone last; rows inserted since then may violate it
            yield Step(NOTHING, _if_the_rows_allow(validate), alone=True)
        yield Step(f"{drop}; {add}{rule} NOT VALID", f"{drop}; {add}{former} NOT VALID")
    yield Step(validate, NOTHING, alone=True)


def _if_the_rows_allow(validate: str) -> str:
    return f"DO $do$ BEGIN {validate}; EXCEPTION WHEN check_violation THEN NULL; END $do$"


def _index(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    name = difference.qualified(f'"{name_of(difference)}"')
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    if difference.found is not None:
        again = concurrently(difference.found.removesuffix(" (invalid)"))
        yield Step(drop, again, concurrently=True)
    yield Step(concurrently(difference.expected or ""), drop, concurrently=True)


def concurrently(definition: str) -> str:
    """An index's definition as a CREATE INDEX CONCURRENTLY statement, which doesn't block writers."""
    return re.sub(r"^CREATE (UNIQUE )?INDEX ", r"CREATE \1INDEX CONCURRENTLY IF NOT EXISTS ", definition)


_ENABLED = {
    "disabled": "DISABLE",
    "enabled always": "ENABLE ALWAYS",
    "enabled for replicas only": "ENABLE REPLICA",
}
_TRIGGER = re.compile(
    r"(?P<sql>.*?)(?: \((?P<state>disabled|enabled always|enabled for replicas only)\))?", re.S
)


def _trigger(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    name, table = f'"{name_of(difference)}"', difference.qualified(f'"{table_of(difference)}"')
    drop = f"DROP TRIGGER IF EXISTS {name} ON {table}"
    new, new_state = _taken_apart(difference.expected or "")
    switch = f"ALTER TABLE {table} {{}} TRIGGER {name}"
    make = "; ".join([drop, new, *([switch.format(new_state)] if new_state != "ENABLE" else [])])
    if difference.found is None:
        yield Step(make, drop)
        return
    old, old_state = _taken_apart(difference.found)
    if old == new:
        yield Step(switch.format(new_state), switch.format(old_state))
    else:
        yield Step(make, "; ".join([drop, old, switch.format(old_state)]))


def _taken_apart(definition: str) -> tuple[str, str]:
    """A trigger's CREATE statement and the keyword that sets its state."""
    match = _TRIGGER.fullmatch(definition)
    assert match is not None
    return match["sql"], _ENABLED.get(match["state"] or "", "ENABLE")


# --- functions and views ----------------------------------------------------------------------------------


def _function(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    expected, found = difference.expected or "", difference.found
    if found is not None and _result(found) != _result(expected):
        return
    name = difference.qualified(difference.name)
    drop = f"DROP FUNCTION IF EXISTS {name}"
    make = _statement(expected)
    if found is None and ("privilege", f"PUBLIC on function {difference.name}") not in wanted:
        make += f"; REVOKE ALL ON FUNCTION {name} FROM PUBLIC"
    yield Step(make, drop if found is None else _statement(found))


def _statement(definition: str) -> str:
    return definition[definition.index("CREATE OR REPLACE ") :].strip()


def _result(definition: str) -> str:
    match = re.search(r"^ RETURNS (.*)$", definition, re.M)
    return match[1] if match else ""


_VIEW = re.compile(r"(?:the owner's|owned by \S+)(?:, WITH \((?P<options>.*?)\))?, AS (?P<query>.*?);?", re.S)


def _view(difference: Difference, wanted: Catalog, live: Catalog) -> Iterator[Step]:
    """Steps for a view: replaced in place if it only gets columns at its end, else dropped and created.

    Replacing keeps readers and dependent views working.
    """
    view = difference.qualified(f'"{difference.name}"')
    drop = f"DROP VIEW IF EXISTS {view}"
    make = _make_view(view, difference.expected or "")
    if difference.found is None:
        yield Step(make, drop)
        return
    again = "; ".join([drop, _make_view(view, difference.found), *_grants(difference, live)])
    if only_gets_columns(difference.name, wanted, live):
        yield Step(make.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1), again)
    else:
        yield Step("; ".join([drop, make, *_grants(difference, live)]), again)


def only_gets_columns(view: str, wanted: Catalog, live: Catalog) -> bool:
    """True if the view's present columns stay as they are, so that it can be replaced in place."""
    there = _columns(view, live)
    return there == _columns(view, wanted)[: len(there)]


def _columns(view: str, catalog: Catalog) -> list[tuple[int, str, str]]:
    found = (
        (name.removeprefix(f"{view}."), definition)
        for (kind, name), definition in catalog.items()
        if kind == "column" and name.startswith(f"{view}.")
    )
    return sorted((int(_POSITION.findall(definition)[-1]), name, definition) for name, definition in found)


_POSITION = re.compile(r"\(column (\d+)\)")


def _make_view(view: str, definition: str) -> str:
    match = _VIEW.fullmatch(definition)
    assert match is not None
    options = f" WITH ({match['options']})" if match["options"] else ""
    return f"CREATE VIEW {view}{options} AS {match['query']}"


def _grants(difference: Difference, live: Catalog) -> Iterator[str]:
    """GRANT statements for the privileges on a view, which are lost when it is dropped."""
    view, target = difference.name, difference.qualified(f'"{difference.name}"')
    for (kind, name), privileges in live.items():
        if kind != "privilege":
            continue
        for what, column in ((f" on table {view}", ""), (f" on column {view}.", name.rpartition(".")[2])):
            role, found, rest = name.partition(what)
            if found and rest == column:
                yield from _grant(target, role, f' ("{column}")' if column else "", privileges)


def _grant(view: str, role: str, column: str, privileges: str) -> Iterator[str]:
    grantee = "PUBLIC" if role == "PUBLIC" else f'"{role}"'
    for each in privileges.split(", "):
        option = " WITH GRANT OPTION"
        bare = each.removesuffix(option)
        yield f"GRANT {bare}{column} ON {view} TO {grantee}{option if each != bare else ''}"


_REPAIRS: dict[str, Callable[[Difference, Catalog, Catalog], Iterator[Step]]] = {
    "column": _column,
    "constraint": _constraint,
    "index": _index,
    "trigger": _trigger,
    "function": _function,
    "view": _view,
}
