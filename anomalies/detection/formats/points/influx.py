"""InfluxDB's line protocol, as Telegraf writes it too.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

import re
from itertools import islice

from ..base import MAX_VALUES, long_form
from ..labels import series_name
from .dialect import MOST_LABELS, Dialect, PointLine, are_timed

_NAME = r"(?:[^\s,=\\]|\\.)++"
_TAG_VALUE = r"(?:[^\s,=\\]|\\.)*+"
_TEXT = r'"(?:[^"\\]|\\.)*+"'
_VALUE = rf"(?:{_TEXT}|[^\s,\"]++)"
_LINE = re.compile(
    rf"(?:> )?(?P<name>{_NAME})(?P<tags>(?:,{_NAME}={_TAG_VALUE})*+)[ \t]++"
    rf"(?P<fields>{_NAME}={_VALUE}(?:,{_NAME}={_VALUE})*+)(?:[ \t]++(?P<time>-?\d{{1,19}}))?\s*\Z"
)
_TAG = re.compile(rf",({_NAME})=({_TAG_VALUE})")
_FIELD = re.compile(rf"({_NAME})=({_VALUE})")
_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)[iu]?", re.ASCII)
_BOOLEANS = {"t": "1", "true": "1", "f": "0", "false": "0"}
_ESCAPED = re.compile(r"\\([,= \\])")


def _parse(text: str) -> PointLine | None:
    match = _LINE.match(text)
    if match is None:
        return None
    labels = {_plain(name): _plain(value) for name, value in islice(_TAG.findall(match["tags"]), MOST_LABELS)}
    numbers, texts = [], []
    for name, value in _FIELD.findall(match["fields"]):
        number = _BOOLEANS.get(value.lower()) or _number(value)
        if number is not None:
            metric = long_form(_plain(match["name"]), _plain(name))
            numbers.append((series_name(metric, labels), number))
        elif value.startswith('"'):
            texts.append(_plain(name))
        else:
            return None
    return PointLine(match["time"] or "", tuple(numbers[:MAX_VALUES]), tuple(texts))


def _number(value: str) -> str | None:
    match = _NUMBER.fullmatch(value)
    return match[1] if match else None


def _plain(name: str) -> str:
    return _ESCAPED.sub(r"\1", name) if "\\" in name else name


def _is_sure(texts: list[str], points: list[PointLine]) -> bool:
    """Words with a pair after them may be a log's: a time or tags show that they are none."""
    tagged = sum("," in text.split(" ")[0] for text in texts)
    return are_timed(texts, points) or 2 * tagged > len(texts)


INFLUX = Dialect(
    "InfluxDB line protocol", _parse, "cpu,host=a user=0.5,system=2i 1793491200000000000", _is_sure
)
