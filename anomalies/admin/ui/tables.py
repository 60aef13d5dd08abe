"""Tables of a report, which ``admin/report_tables.html`` shows; on a narrow screen each row is a card."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString

Cell = SafeString | str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page; ``head`` has the names of its columns, those in ``numbers`` are right-aligned."""

    key: str
    title: str
    head: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    numbers: frozenset[str] = frozenset()
    note: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """The names of the columns, each with whether it has numbers."""
        return [(name, name in self.numbers) for name in self.head]

    @property
    def lines(self) -> list[list[tuple[Cell, str, bool]]]:
        """The rows as cells, each with the name of its column and whether it is a number."""
        return [
            [(cell, *column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows
        ]
