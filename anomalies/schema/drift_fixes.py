"""SQL statements that remove a difference, for a person to review and run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from django.db import DatabaseError, connection, transaction

from .catalog import Catalog
from .contract_tables import TABLES
from .drift import Difference
from .own_schema import quoted
from .repairs import column_parts, is_another_type, is_somebody_elses, name_of, repair, table_of

_OWNED = {
    "table": "TABLE",
    "view": "VIEW",
    "sequence": "SEQUENCE",
    "function": "ROUTINE",
    "procedure": "ROUTINE",
}
_WHAT = {"function": "ROUTINE", "procedure": "ROUTINE", "statistics": "STATISTICS"}
_GRANTED = re.compile(r"(?P<role>.*) on (?P<what>table|sequence|column|function|schema) (?P<name>.*)", re.S)
_ON_ITS_TABLE = ("trigger", "rule", "policy")


def filled_tables(differences: Iterable[Difference]) -> set[str]:
    """The extra tables among the differences that have rows, and the contract's tables with or without."""
    extra = [each for each in differences if each.what == "extra" and each.kind in _HOLD_ROWS]
    return {each.name for each in extra if each.name in TABLES or _has_rows(each)}


_HOLD_ROWS = ("table", "partitioned table", "foreign table")


def _has_rows(difference: Difference) -> bool:
    with connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(f"SELECT EXISTS (SELECT FROM {_quoted(difference)})")  # noqa: S608 - quoted
        except DatabaseError:  # a table that this role can't read may have rows
            return True
        return bool(cursor.fetchone()[0])


def advice(
    difference: Difference, wanted: Catalog, live: Catalog, filled: Collection[str] = frozenset()
) -> str:
    """The statement that removes the difference, or an SQL comment if there is none.

    ``wanted`` and ``live`` are the compared catalogs; ``filled`` are the names of the extra tables with rows.
    No statement drops rows or a column's values.
    """
    if difference.kind == "privilege":
        return _privilege(difference)
    if is_somebody_elses(difference) and difference.expected is not None:
        kind = _OWNED.get(difference.kind, difference.kind.upper())
        return f"ALTER {kind} {_quoted(difference)} OWNER TO … -- whom the other tables belong to"
    if difference.what == "extra":
        return _extra(difference, filled)
    if steps := repair(difference, wanted, live):
        return "; ".join(step.do for step in steps)
    return _OTHERWISE.get(difference.kind, _unknown)(difference)


def _extra(difference: Difference, filled: Collection[str]) -> str:
    if difference.name in filled:
        return "-- it holds rows and no migration makes it: keep it, or move it to a schema of its own"
    if difference.kind == "column":
        return "-- no migration makes it, and it may hold values: keep it, unless its owner knows better"
    return f"{_drop(difference)} -- if nobody needs it"


def _quoted(difference: Difference) -> str:
    if difference.kind in ("function", "procedure"):
        return difference.qualified(difference.name)
    return difference.qualified(f'"{difference.name}"')


def _table_name(difference: Difference) -> str:
    """The SQL name of the table of a constraint, index or trigger."""
    return difference.qualified(f'"{table_of(difference)}"')


def _drop(difference: Difference) -> str:
    kind, name = difference.kind, difference.name
    if kind == "constraint":
        return f'ALTER TABLE {_table_name(difference)} DROP CONSTRAINT "{name_of(difference)}"'
    if kind == "index":
        return "DROP INDEX CONCURRENTLY " + difference.qualified(f'"{name_of(difference)}"')
    if kind in _ON_ITS_TABLE:
        return f'DROP {kind.upper()} "{name_of(difference)}" ON {_table_name(difference)}'
    if kind == "event trigger":
        return f'DROP EVENT TRIGGER "{name}"'
    if kind == "foreign key trigger":
        return f"ALTER TABLE {_table_name(difference)} ENABLE TRIGGER ALL"
    return f"DROP {_WHAT.get(kind, kind.upper())} {_quoted(difference)}"


def _privilege(difference: Difference) -> str:
    match = _GRANTED.fullmatch(difference.name)
    if match is None:
        return "-- ALTER DEFAULT PRIVILEGES, as it was granted"
    role = "PUBLIC" if match["role"] == "PUBLIC" else f'"{match["role"]}"'
    name = difference.qualified(f'"{match["name"]}"')
    column, on = "", f"{match['what'].upper()} {name}"
    if match["what"] == "column":
        table, _, name = match["name"].partition(".")
        column, on = f' ("{name}")', "TABLE " + difference.qualified(f'"{table}"')
    elif match["what"] == "function":
        on = f"FUNCTION {difference.qualified(match['name'])}"
    elif match["what"] == "schema":
        on = f"SCHEMA {quoted(match['name'])}"
    found, expected = (
        {part.removesuffix(" WITH GRANT OPTION") for part in (text or "").split(", ") if part}
        for text in (difference.found, difference.expected)
    )
    revoke = [f"REVOKE {each}{column} ON {on} FROM {role}" for each in sorted(found - expected)]
    grant = [f"GRANT {each}{column} ON {on} TO {role}" for each in sorted(expected - found)]
    option = (
        [] if revoke or grant else [f"REVOKE GRANT OPTION FOR {', '.join(sorted(found))} ON {on} FROM {role}"]
    )
    return "; ".join(revoke + grant + option)


def _column(difference: Difference) -> str:
    table, _, column = difference.name.partition(".")
    alter = "ALTER TABLE " + difference.qualified(f'"{table}" ')
    expected = (difference.expected or "").removesuffix(" (not validated)")
    if "(column " in expected:
        return f"-- comes with the view {table}"
    if difference.found is None:
        return f'{alter}ADD COLUMN "{column}" {expected} -- its values are in a backup'
    if is_another_type(difference):
        parts = column_parts(expected)
        collation = f" COLLATE {parts['collation']}" if parts["collation"] else ""
        return f'{alter}ALTER "{column}" TYPE {parts["type"]}{collation} -- may rewrite the table'
    return _unknown(difference)


def _constraint(difference: Difference) -> str:
    alter = f"ALTER TABLE {_table_name(difference)} "
    name = f'CONSTRAINT "{name_of(difference)}"'
    drop = f"{alter}DROP {name}; " if difference.found is not None else ""
    if (difference.expected or "").startswith("FOREIGN KEY"):
        return f"{drop}{alter}ADD {name} {difference.expected} NOT VALID; {alter}VALIDATE {name}"
    return f"{drop}{alter}ADD {name} {difference.expected}"


_SWITCHES = {
    "UNLOGGED": "SET LOGGED",
    "FORCE ROW LEVEL SECURITY": "NO FORCE ROW LEVEL SECURITY",
    "ROW LEVEL SECURITY": "DISABLE ROW LEVEL SECURITY",
    "REPLICA IDENTITY": "REPLICA IDENTITY DEFAULT",
}


def _table(difference: Difference) -> str:
    if difference.found is None:
        return "-- restore it from a backup, or take back the migration that makes it and apply it again"
    alter = f"ALTER TABLE {_quoted(difference)} "
    found, expected = difference.found, difference.expected or ""
    done = [
        alter + switch
        for word, switch in _SWITCHES.items()
        if (f", {word}" in found) and f", {word}" not in expected
    ]
    if (match := re.search(r"WITH \((.*?)\)", found)) and "WITH (" not in expected:
        done.append(f"{alter}RESET ({', '.join(part.split('=')[0] for part in match[1].split(', '))})")
    return "; ".join(done) or _unknown(difference)


def _sequence(difference: Difference) -> str:
    if difference.found is None:
        return "-- take back the migration that makes it and apply it again"
    match = re.search(
        r"AS \S+ START (\S+) INCREMENT (\S+) MINVALUE (\S+) MAXVALUE (\S+) CACHE (\S+?)(?:,|$)",
        difference.expected or "",
    )
    if match is None:
        return _unknown(difference)
    words = zip(("START", "INCREMENT", "MINVALUE", "MAXVALUE", "CACHE"), match.groups(), strict=True)
    return f"ALTER SEQUENCE {_quoted(difference)} " + " ".join(f"{word} {value}" for word, value in words)


def _unknown(difference: Difference) -> str:
    return "-- make it as its migration does: `manage.py sqlmigrate anomalies NUMBER` shows how"


_OTHERWISE: dict[str, Callable[[Difference], str]] = {
    "column": _column,
    "constraint": _constraint,
    "table": _table,
    "sequence": _sequence,
}
