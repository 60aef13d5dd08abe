"""The texts of measurements that tell one series from another.

Rows of several hosts in one table have the same times. The text that makes each pair of time and text occur
once is the label of a series; a text that is the same everywhere, or changes within one series, is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from ..events import safe

_MOST_KINDS = 50  # of the values of a label among the first rows
_LONGEST = 300  # characters of a series' name
_MOST_LABELS = 30


def labels_of(times: Sequence[Any], rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the names of the texts that tell apart what was measured at the same times; () for none.

    `rows` hold the texts by name, `times` their times, in the same order.
    """
    if len(set(times)) == len(times):
        return ()
    names = dict.fromkeys(name for row in rows for name in row)
    kinds = {name: len({row.get(name) for row in rows}) for name in names}
    several = [name for name in names if 1 < kinds[name] <= _MOST_KINDS]
    for chosen in [*([name] for name in several), several]:
        keys = {(time, *map(row.get, chosen)) for time, row in zip(times, rows, strict=True)}
        if chosen and len(keys) == len(rows):
            return tuple(chosen)
    return ()


def series_name(name: str, labels: Any) -> str:
    """Return a metric with its labels as Prometheus writes it, safe to show: `up{instance="a"}`."""
    if isinstance(labels, Mapping):
        pairs = [f'{key}="{labels[key]}"' for key in sorted(labels)[:_MOST_LABELS] if key != "__name__"]
        name = f"{name}{{{','.join(pairs)}}}" if pairs else name
    if len(name) > _LONGEST:  # two that begin alike stay two
        name = f"{name[: _LONGEST - 10]}…{crc32(name.encode('utf-8', 'surrogatepass')):08x}"
    return safe(name, _LONGEST)
