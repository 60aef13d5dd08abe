"""Drift: the differences between a live database and the schema that the migrations make."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from . import catalog
from .catalog import Catalog
from .own_schema import PUBLIC, quoted, schema_of_tables
from .scratch_database import Targets, applied_targets, migrate_to, scratch_database


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that is missing (``found`` is None), extra (``expected`` is None), or defined otherwise."""

    kind: str
    name: str
    expected: str | None
    found: str | None
    schema: str = PUBLIC

    @property
    def what(self) -> str:
        """The kind of difference: "missing", "extra" or "differs"."""
        if self.found is None:
            return "missing"
        return "extra" if self.expected is None else "differs"

    def qualified(self, name: str) -> str:
        """The SQL name of another object of the same schema; ``name`` is already quoted."""
        return f"{quoted(self.schema)}.{name}"

    def __str__(self) -> str:
        lines = [f"{self.what}: {self.kind} {self.name}"]
        if self.expected is not None:
            lines.append(f"    expected: {self.expected}")
        if self.found is not None:
            lines.append(f"    found:    {self.found}")
        return "\n".join(lines)


def compare(expected: Catalog, found: Catalog, schema: str = PUBLIC) -> list[Difference]:
    """Every difference, sorted; a missing or extra table, view or function is listed without its parts."""
    differences = [
        Difference(kind, name, expected.get((kind, name)), found.get((kind, name)), schema)
        for kind, name in sorted({*expected, *found})
        if expected.get((kind, name)) != found.get((kind, name))
    ]
    wholes = {d.name for d in differences if d.kind in _WHOLES and d.what != "differs"}
    return [d for d in differences if d.kind in _WHOLES or _whole_of(d) not in wholes]


_GRANTED = re.compile(r"^.* on (?:table|sequence|column|function|schema|every new) ")
_WHOLES = ("table", "view", "materialized view", "function", "procedure")


def _whole_of(difference: Difference) -> str:
    """The name of the table, view or function that an object is part of."""
    if difference.kind == "column":
        return difference.name.split(".")[0]
    if difference.kind == "privilege":
        return _GRANTED.sub("", difference.name).split(".")[0]
    return difference.name.rpartition(" on ")[2]


def expected_catalog(
    targets: Targets, known_roles: Collection[str] = (), scratch: str | None = None
) -> Catalog:
    """The catalog that the migrations up to ``targets`` make, read from a scratch database.

    ``scratch`` names an empty database to use if the role may not create one. Raises ScratchError.
    """
    (expected,) = expected_catalogs([targets], known_roles, scratch)
    return expected


def expected_catalogs(
    stages: Sequence[Targets], known_roles: Collection[str] = (), scratch: str | None = None
) -> list[Catalog]:
    """The catalog at each of ``stages``, in one scratch database: each stage builds on the one before it.

    Raises ScratchError.
    """
    catalogs = []
    with scratch_database(scratch) as built:
        for targets in stages:
            migrate_to(built, targets)
            catalogs.append(catalog.read(built, known_roles))
    return catalogs


def find_drift(
    known_roles: Collection[str] = (), scratch: str | None = None
) -> tuple[list[Difference], Catalog, Catalog]:
    """The differences of the default database, the catalog expected from its migrations, and the one found.

    Raises ScratchError.
    """
    expected = expected_catalog(applied_targets(connection), known_roles, scratch)
    found = catalog.read(connection, known_roles)
    return compare(expected, found, schema_of_tables(connection)), expected, found
