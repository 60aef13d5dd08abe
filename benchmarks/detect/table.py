"""The table that is printed: what was asked, what was measured, what the yardsticks reach in the same run."""

from __future__ import annotations

from collections.abc import Sequence


class Table:
    """Rows of a name, a figure, its target and the yardsticks; a row tells whether its target is reached."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        print(f"{'':58}{'ours':>9}{'target':>10}   yardsticks in the same run")

    def head(self, words: str) -> None:
        print(f"\n{words}")

    def row(self, name: str, ours: float, target: float, at_most: bool = False, **yardsticks: float) -> None:
        reached = ours <= target if at_most else ours >= target
        mark = " " if reached else "!"
        if not reached:
            self.missed.append(name)
        self._print(f"{mark} {name}", ours, f"{'≤' if at_most else '≥'} {target:g}", yardsticks)

    def note(self, name: str, ours: float, **yardsticks: float) -> None:
        """A figure that no target is set for."""
        self._print(f"  {name}", ours, "", yardsticks)

    def _print(self, name: str, ours: float, target: str, yardsticks: dict[str, float]) -> None:
        others = "   ".join(f"{other.replace('_', ' ')} {value:.3g}" for other, value in yardsticks.items())
        print(f"{name:58}{ours:9.4g}{target:>10}   {others}")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
