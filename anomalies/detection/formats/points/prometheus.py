"""Prometheus' text exposition and OpenMetrics, and the dumps of promtool.

https://prometheus.io/docs/instrumenting/exposition_formats/
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

import re
from itertools import islice

from ..labels import series_name
from .dialect import MOST_LABELS, Dialect, PointLine

_NAME = r"[A-Za-z_:][\w:.]*+"
_TEXT = r'"(?:[^"\\]|\\.)*+"'
_GAP = r"\s{0,9}"  # bounded: gaps that stand beside each other must not share a long one in all ways
_LABEL = rf"(?:{_NAME}|{_TEXT}){_GAP}={_GAP}{_TEXT}"
_TIME = r"-?\d{1,19}(?:\.\d{0,20})?(?:e\+?\d{1,2})?"
_NUMBER = r"[+-]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d{1,9})?|nan|inf|infinity)"
_SAMPLE = re.compile(
    rf"(?P<name>{_NAME})?{_GAP}"
    rf"(?:\{{{_GAP}(?P<quoted>{_TEXT}(?!{_GAP}=))?(?P<labels>(?:{_GAP},?{_GAP}{_LABEL})*+){_GAP},?{_GAP}\}})?"
    rf"(?:(?<=\}})|\s){_GAP}(?P<value>{_NUMBER})(?:\s{_GAP}(?P<time>{_TIME}))?(?:\s{_GAP}#{_GAP}\{{.*)?\Z",
    re.ASCII | re.IGNORECASE,
)
_PAIR = re.compile(rf"({_NAME}|{_TEXT}){_GAP}={_GAP}({_TEXT})", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DESCRIBES = re.compile(r"#\s*(?:HELP|TYPE|UNIT) \S|# EOF\s*\Z")


def _parse(text: str) -> PointLine | None:
    match = _SAMPLE.match(text)
    if match is None:
        return None
    labels = {
        _plain(name): _plain(value)
        for name, value in islice(_PAIR.findall(match["labels"] or ""), MOST_LABELS)
    }
    name = match["name"] or _plain(match["quoted"] or "") or labels.get("__name__", "")
    if not name:
        return None
    return PointLine(match["time"] or "", ((series_name(name, labels), match["value"]),))


def _plain(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], text[1:-1])


def _is_sure(texts: list[str], points: list[PointLine]) -> bool:
    """A word and a number may be a log's: what describes a metric, or labels, show that they are none."""
    labelled = sum("{" in text for text in texts)
    return any(map(_DESCRIBES.match, texts)) or 2 * labelled > len(points)


PROMETHEUS = Dialect("Prometheus", _parse, 'up{instance="a"} 1 1793491200000', _is_sure)
