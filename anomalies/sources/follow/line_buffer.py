"""Blocks of bytes split into lines by the rules of `lines`, where the end of a line may come much later."""

from __future__ import annotations

from collections.abc import Iterator

from ..lines import BOM, Line, line_end


class Splitter:
    """Splits blocks into lines, each cut at ``max_bytes`` bytes and numbered on from ``number``.

    An incomplete line takes no more memory than ``max_bytes`` allows, however long it grows.
    """

    def __init__(self, max_bytes: int, number: int) -> None:
        self.number = number
        self._max_bytes = max_bytes
        self._keep = max_bytes + 2 + len(BOM)
        self.begin(at_start=True)

    def begin(self, *, at_start: bool) -> None:
        """Forget the incomplete line; the next block is ``at_start`` of a file, or in its middle."""
        self._at_start = at_start
        self._kept = b""
        self._last_two = b""
        self.open_bytes = 0

    def feed(self, block: bytes) -> Iterator[Line]:
        """Yield the lines that end in this block."""
        first = block.find(b"\n") + 1
        if first == 0:
            self._add(block)
            return
        self._add(block[:first])
        yield self._line()
        last = block.rfind(b"\n")
        if first <= last:
            yield from self._whole_lines(block[first:last])
        self._add(block[last + 1 :])

    def finish(self) -> Line | None:
        """The incomplete line as it is; None if there is none."""
        return self._line() if self.open_bytes else None

    def _whole_lines(self, lines: bytes) -> Iterator[Line]:
        """Yield the lines that lie wholly in a block: most do, so this is the fast path."""
        for data in lines.split(b"\n"):
            self.number += 1
            whole = len(data) - data.endswith(b"\r")
            yield Line(self.number, data[: min(self._max_bytes, whole)], whole)

    def _add(self, piece: bytes) -> None:
        if self.open_bytes:
            self._kept += piece[: max(0, self._keep - len(self._kept))]
            self._last_two = (self._last_two + piece[-2:])[-2:]
        else:
            self._kept = piece[: self._keep]
            self._last_two = piece[-2:]
        self.open_bytes += len(piece)

    def _line(self) -> Line:
        whole = self.open_bytes - line_end(self._last_two)
        data = self._kept
        if self._at_start and data.startswith(BOM):
            data, whole = data.removeprefix(BOM), whole - len(BOM)
        self.number += 1
        self.begin(at_start=False)
        return Line(self.number, data[: min(self._max_bytes, whole)], whole)
