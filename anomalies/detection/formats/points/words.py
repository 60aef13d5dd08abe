"""Measurements as a few words in a line: Graphite, OpenTSDB, Wavefront, collectd, StatsD."""

import re
from itertools import islice

from ..labels import series_name
from .dialect import MOST_LABELS, Dialect, PointLine, always, are_timed

_NUMBER = r"[+-]?(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,9})?|[nN]a[nN])"
_EPOCH = r"[1-3]\d{9}(?:\d{3}|\.\d{1,9})?"
_PATH = r"(?P<name>[A-Za-z_*][^\s;=\"|{}]*+)"
_PAIRS = r"(?P<tags>(?:[ \t]++[\w.\"/-]++=(?:\"(?:[^\"\\]|\\.)*+\"|[^\s\"]++))++)"
_GRAPHITE = re.compile(
    rf"{_PATH}(?P<tags>(?:;[^\s;=]++=[^\s;]++)*+)[ \t]++(?P<value>{_NUMBER})[ \t]++"
    rf"(?P<time>{_EPOCH}|-1|[nN])\s*\Z"
)
_OPENTSDB = re.compile(
    rf"(?:put[ \t]++)?{_PATH}[ \t]++(?P<time>{_EPOCH})[ \t]++(?P<value>{_NUMBER}){_PAIRS}\s*\Z"
)
_WAVEFRONT = re.compile(
    rf"\"?{_PATH}\"?[ \t]++(?P<value>{_NUMBER})(?:[ \t]++(?P<time>{_EPOCH}))?"
    rf"(?=[ \t][^\n]*\b(?:source|host)=){_PAIRS}\s*\Z"
)
_COLLECTD = re.compile(
    r"PUTVAL[ \t]++\"?(?P<name>[^\s\"]++)\"?(?:[ \t]++[\w.]++=\S++)*+[ \t]++"
    rf"(?P<time>{_EPOCH}|[nN])(?P<values>(?::(?:{_NUMBER}|U))++)\s*\Z"
)
_STATSD = re.compile(
    rf"(?P<name>[A-Za-z_][^\s:|]*+):(?P<value>{_NUMBER})\|(?:c|g|ms|h|d|m)(?:\|@[\d.]++)?"
    rf"(?:\|#(?P<tags>[^|\s]*+))?(?:\|T(?P<time>{_EPOCH}))?\s*\Z"
)
_TAG = re.compile(r"[;\s]?([^\s;=]+)=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;]+))")


def _by(pattern: re.Pattern[str], text: str) -> PointLine | None:
    match = pattern.match(text)
    if match is None:
        return None
    tags = islice(_TAG.finditer(match["tags"] or ""), MOST_LABELS)
    labels = {tag[1].strip('"'): tag[2] if tag[3] is None else tag[3] for tag in tags}
    time = "" if match["time"] in (None, "-1", "n", "N") else match["time"]
    return PointLine(time, ((series_name(match["name"], labels), match["value"]),))


def _collectd(text: str) -> PointLine | None:
    match = _COLLECTD.match(text)
    if match is None:
        return None
    values = match["values"].split(":")[1:]
    names = [match["name"]] if len(values) == 1 else [f"{match['name']}.{n}" for n in range(len(values))]
    numbers = [
        (series_name(name, {}), value.replace("U", "nan")) for name, value in zip(names, values, strict=True)
    ]
    return PointLine("" if match["time"] in "nN" else match["time"], tuple(numbers))


def _statsd(text: str) -> PointLine | None:
    match = _STATSD.match(text)
    if match is None:
        return None
    labels = dict(tag.partition(":")[::2] for tag in (match["tags"] or "").split(",")[:MOST_LABELS] if tag)
    return PointLine(match["time"] or "", ((series_name(match["name"], labels), match["value"]),))


GRAPHITE = Dialect("Graphite", lambda text: _by(_GRAPHITE, text), "web1.cpu.load 0.5 1793491200", always)
OPENTSDB = Dialect(
    "OpenTSDB", lambda text: _by(_OPENTSDB, text), "put cpu.load 1793491200 0.5 host=a", always
)
WAVEFRONT = Dialect(
    "Wavefront", lambda text: _by(_WAVEFRONT, text), "cpu.load 0.5 1793491200 source=a", are_timed
)
COLLECTD = Dialect("collectd", _collectd, 'PUTVAL "a/cpu-0/cpu-idle" interval=10 1793491200:0.5', always)
STATSD = Dialect("StatsD", _statsd, "api.requests:1|c", always)
