"""The envelopes that lines of text come in: where the message begins, and what stands before it.

The names of the fields are one vocabulary for all of them: host, service, pid, thread, level, source, stream.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...events import Value
from .key_values import extension_pairs, logfmt_pairs, structured_data

Fields = tuple[tuple[str, Value], ...]
# A message, the fields in the order of their paths, and how the time is written ('' where the line has it).
Unwrapped = tuple[str, Fields, str]

MOST_OF_FIELD = 256  # characters
_MOST_FIELDS = 100
_MOSTLY = 0.8  # of the first lines are in an envelope, for the others may be the rest of a message
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")  # of RFC 5424
_LETTERS = {
    "V": "verbose", "D": "debug", "I": "info", "W": "warning", "E": "error", "F": "fatal", "S": "silent",
}  # fmt: skip
MESSAGE_KEYS = ("msg", "message", "event", "error", "err", "text", "description", "log")
TIME_KEYS = (
    "time", "ts", "timestamp", "@timestamp", "t", "at", "datetime", "date", "rt", "devTime", "end", "start",
)  # fmt: skip

_compile = partial(re.compile, flags=re.ASCII | re.DOTALL)
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
_STAMP = r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?\]?"
_BSD = r"[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:\.\d+)?(?: [A-Z]{3,4}:?)?"
_TAG = r"(?P<service>[^\s:\[\]]{1,100})(?:\[(?P<pid>[^\]\s]{1,40})\])?:(?:\s|\Z)"
_PRIORITY = r"<(?P<priority>\d{1,3})>"
_REST = r"(?P<message>.*)"
_QUOTED = r"\"(?:[^\"\\]|\\.)*+\""
_NOT_A_LEVEL = "(?!(?i:trace|debug|info|notice|warn|warning|error|err|fatal|critical|crit|panic)\\b)"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A kind of envelope. `unwrap` returns what is in a line of it, None for another line."""

    name: str
    unwrap: Callable[[str], Unwrapped | None]


def _by_pattern(name: str, pattern: str) -> Envelope:
    compiled = _compile(pattern)
    groups = compiled.groupindex
    plain = [(one, groups[one]) for one in sorted(groups.keys() - {"message", "priority", "data", "level"})]

    def unwrap(text: str) -> Unwrapped | None:
        match = compiled.match(text)
        if match is None:
            return None
        found = [(one, match[place]) for one, place in plain if match[place] not in (None, "-", "")]
        if len(plain) + 1 == len(groups):
            return match["message"], tuple(found), ""
        return match["message"], _completed(match.groupdict(), dict(found)), ""

    return Envelope(name, unwrap)


def _completed(parts: Mapping[str, str | None], fields: dict[str, Value]) -> Fields:
    """The fields with the level, the facility and the structured data."""
    letter, priority = parts.get("level"), parts.get("priority")
    if letter:
        fields["level"] = _LETTERS.get(letter, letter)
    if priority:
        fields["facility"], severity = divmod(int(priority), 8)
        fields["level"] = _LEVELS[severity]
    for name, text in structured_data(parts.get("data") or ""):
        fields.setdefault(name, text[:MOST_OF_FIELD])
    return tuple(sorted(fields.items())[:_MOST_FIELDS])


def _logfmt(text: str) -> Unwrapped | None:
    pairs = logfmt_pairs(text)
    if len(pairs) < 2:
        return None
    key = next((key for key in MESSAGE_KEYS if pairs.get(key)), "")
    message = pairs.get(key) or " ".join(f"{k}={v}" for k, v in pairs.items() if k not in TIME_KEYS)
    return _of_pairs(message, pairs, {key})


_FLUENT_BIT = _compile(
    r"\[\d+\] (?P<tag>[^\s:]{1,200}): \[\[?(?P<time>\d{10}(?:\.\d+)?)(?:, \{[^{}]*\}\])?, "
    r"(?P<record>\{.*\})\]"
)


def _fluent_bit(text: str) -> Unwrapped | None:
    """A record as fluent-bit prints it: that of a hash in Ruby."""
    match = _FLUENT_BIT.match(text)
    return (match["record"].replace('"=>', '":'), (("tag", match["tag"]),), match["time"]) if match else None


_HEADER = r"(?:[^|\\]|\\.)*+\|"  # a cell of CEF's header
_CEF = _compile(
    rf".{{0,200}}?\bCEF: ?\d+\|(?P<vendor>{_HEADER})(?P<product>{_HEADER})(?P<version>{_HEADER})"
    rf"(?P<event_id>{_HEADER})(?P<name>{_HEADER})(?P<level>[^|]*)\|(?P<extension>.*)"
)
_LEEF = _compile(
    r".{0,200}?\bLEEF: ?\d\.\d\|(?P<vendor>[^|]*)\|(?P<product>[^|]*)\|(?P<version>[^|]*)\|"
    r"(?P<event_id>[^|]*)\|(?:(?P<delimiter>x[0-9A-Fa-f]{2,4}|[^|=]?)\|)?(?P<extension>.*)"
)


def _cef(text: str) -> Unwrapped | None:
    match = _CEF.match(text)
    if match is None:
        return None
    pairs = extension_pairs(match["extension"])
    header = {name: match[name].rstrip("|") for name in ("event_id", "level", "product", "vendor", "version")}
    message = " ".join(filter(None, [match["name"].rstrip("|"), pairs.get("msg")]))
    return _of_pairs(message, {**pairs, **header}, {"msg"})


def _leef(text: str) -> Unwrapped | None:
    match = _LEEF.match(text)
    if match is None:
        return None
    delimiter = match["delimiter"] or "\t"
    if len(delimiter) > 1:
        delimiter = chr(int(delimiter[1:], 16))
    cells = (cell.partition("=") for cell in match["extension"].split(delimiter))
    pairs = {key.strip(): value for key, _, value in cells if key.strip()}
    header = {name: match[name] for name in ("event_id", "product", "vendor", "version")}
    message = " ".join(filter(None, [match["event_id"], pairs.get("msg") or pairs.get("reason")]))
    return _of_pairs(message, {**pairs, **header}, {"msg", "reason", "devTimeFormat"})


def _of_pairs(message: str, pairs: Mapping[str, str], without: set[str]) -> Unwrapped:
    time = next((pairs[key] for key in TIME_KEYS if pairs.get(key)), "")
    left_out = {*without, *TIME_KEYS}
    fields = sorted(
        (key, text[:MOST_OF_FIELD]) for key, text in pairs.items() if text and key not in left_out
    )
    return message, tuple(fields[:_MOST_FIELDS]), time


KLOG = _by_pattern(
    "klog",
    r"(?P<level>[IWEF])(?:\d{4})?\d{4} \d\d:\d\d:\d\d(?:\.\d+)?\s+(?P<thread>\d+) (?P<source>[^\]\s]+)\] ?"
    + _REST,
)
LOGFMT = Envelope("logfmt", _logfmt)
CRI = _by_pattern("CRI", rf"{_ISO} (?P<stream>stdout|stderr) (?P<flag>[FP])(?::\S+)? ?{_REST}")

# The more particular ones first: of those that most lines are in the first is taken.
ENVELOPES = (
    Envelope("CEF", _cef),
    Envelope("LEEF", _leef),
    _by_pattern(
        "syslog (RFC 5424)",
        rf"{_PRIORITY}\d{{1,2}} \S+ (?P<host>\S+) (?P<service>\S+) (?P<pid>\S+) (?P<msgid>\S+) "
        rf"(?P<data>-|(?:\[(?:[^\]\"]|{_QUOTED})*+\])+) ?\ufeff?{_REST}",
    ),
    _by_pattern(
        "syslog",
        rf"(?:{_PRIORITY})?(?:\d+: )?[*.]?{_BSD}:? (?:(?P<host>[\w.-]{{1,255}}) )?:? ?"
        rf"(?P<service>%[\w-]+): {_REST}",
    ),
    _by_pattern("syslog", rf"(?:{_PRIORITY})?{_BSD} (?P<host>[\w.:-]{{1,255}}) (?:{_TAG})?{_REST}"),
    _by_pattern("syslog", rf"{_PRIORITY}(?:\d+: )?(?:{_ISO} (?P<host>[\w.:-]{{1,255}}) )?(?:{_TAG})?{_REST}"),
    CRI,
    _by_pattern("syslog", rf"{_ISO} {_NOT_A_LEVEL}(?P<host>[\w.:-]{{1,255}}) {_TAG}{_REST}"),
    _by_pattern("syslog", rf"{_ISO} (?P<service>[\w.-]{{1,100}})\[(?P<pid>[\w.-]{{1,60}})\]: {_REST}"),
    KLOG,
    _by_pattern(
        "logcat",
        r"(?:(?:\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d\.\d+|\s*\d{10}\.\d+)\s+(?P<pid>\d+)\s+(?P<thread>\d+) "
        rf"(?P<level>[VDIWEFS]) (?P<service>[^:]{{0,100}}?)\s*: ?{_REST}",
    ),
    _by_pattern(
        "logcat",
        rf"(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d+ )?(?P<level>[VDIWEFS])/(?P<service>[^(]{{0,100}}?)\s*"
        rf"\(\s*(?P<pid>\d+)\): ?{_REST}",
    ),
    _by_pattern("containers of a pod", rf"\[pod/(?P<pod>[^/\]]+)/(?P<service>[^\]]+)\] {_REST}"),
    _by_pattern("containers", rf"(?P<service>[\w.-]{{1,100}})\s+\| {_REST}"),
    _by_pattern(
        "nginx",
        r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>\w+)\] (?P<pid>\d+)#(?P<thread>\d+): "
        r"(?:\*(?P<connection>\d+) )?(?P<message>.*?)(?:, client: (?P<client>[^,]*))?"
        r"(?:, server: (?P<server>[^,]*))?(?:, request: \"(?P<request>[^\"]*)\")?"
        r"(?:, upstream: \"(?P<upstream>[^\"]*)\")?(?:, host: \"(?P<host>[^\"]*)\")?"
        r"(?:, referrer: \"[^\"]*\")?\Z",
    ),
    _by_pattern(
        "Apache",
        r"\[\w{3} \w{3} \d\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}\] \[(?P<service>[\w-]*):(?P<level>\w+)\] "
        rf"\[pid (?P<pid>\d+)(?::tid (?P<thread>\d+))?\] (?:\[client (?P<client>[^\]]+)\] )?{_REST}",
    ),
    _by_pattern(
        "PHP",
        r"\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d [\w/+-]{1,40}\] "
        rf"PHP (?P<level>[A-Z][\w ]{{1,30}}): +{_REST}",
    ),
    Envelope("fluent-bit", _fluent_bit),
    _by_pattern(
        "JSON after a time",
        rf"{_STAMP}[ \t]+(?:(?P<tag>[\w./@-]{{1,200}}):?[ \t]+)?(?P<message>\{{.*\}})\s*\Z",
    ),
    _by_pattern("Loki", rf"{_ISO} \{{(?P<labels>[^}}]*)\}}\s+{_REST}"),
    _by_pattern("Kafka", rf"(?:CreateTime|LogAppendTime):\d{{13}}\t(?:(?P<key>[^\t]*)\t)?{_REST}"),
    LOGFMT,
)


def envelope_of(texts: Sequence[str]) -> Envelope | None:
    """Return the envelope that most of these lines are in; None for plain lines."""
    for envelope in ENVELOPES:
        if sum(envelope.unwrap(text) is not None for text in texts) >= _MOSTLY * max(1, len(texts)):
            return envelope
    return None


def opened_text(text: str) -> Unwrapped | None:
    """Return what is in a text that came in another envelope and is one itself; None for plain words."""
    if text[:1] in "IWEF" and text[1:5].isdigit():
        return KLOG.unwrap(text)
    if "=" in text[:100] and (unwrapped := LOGFMT.unwrap(text)):
        return unwrapped
    return None
