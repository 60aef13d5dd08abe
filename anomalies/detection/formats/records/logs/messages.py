"""The message of a log record, and the fields beside it.

The message is what a person would read of a record; everything else is a field. Records differ in where they
keep it, so the usual names are tried in their order, in the record and in the objects within it that are
known to hold it. A message that is itself a record, as the application's JSON within Docker's, is opened.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from ....events import Value, safe
from ...lines.envelopes import opened_text
from ...requests import request_of
from ..fields import Field, fields_of, text_of
from ..parsing import JsonParser, Record

MOST_OF_MESSAGE = 16_384  # characters that are scored
_NESTED = 3  # records within records that are opened
_DEEP = 4  # objects within objects where a message is looked for

# In the order of trust: of a record that has several the first that holds a text is its message.
MESSAGES = (
    "message", "msg", "MESSAGE", "Message", "short_message", "textPayload", "@m", "log", "line", "event",
    "body", "text", "payload", "RenderedMessage", "renderedMessage", "rendered_message", "@mt",
    "MessageTemplate", "messageTemplate", "full_message", "EventMessage", "LogMessage", "log_message",
    "content", "description", "Description", "output", "summary", "original", "raw", "_raw", "data",
    "properties", "error", "reason", "resultDescription", "eventMessage", "signature",
)  # fmt: skip
_WITHIN = (
    "jsonPayload", "_source", "message", "event", "body", "payload", "log", "data", "properties",
    "attributes", "record", "entry", "fields", "baseData", "protoPayload", "status", "winlog", "Event",
    "detail", "result", "error", "err", "exception", "alert", "doc",
    "RenderingInfo",
)  # fmt: skip
# Their other spellings, where a record has none of them: `ResultDescription`, `SyslogMessage`, `log_entry`.
_OTHER_MESSAGES = {
    "message", "msg", "logmessage", "logentry", "syslogmessage", "resultdescription", "eventmessage",
    "rendereddescription", "statusmessage", "rawdata", "logtext", "text",
}  # fmt: skip
# What a record without a message did: the request or the operation, and how it ended.
_ACTIONS = (
    "method", "httpMethod", "request_method", "verb", "path", "uri", "url", "requestURI", "request_uri",
    "request", "operation", "operationName", "action", "eventSource", "eventName", "event_type", "type",
    "name", "rule", "category", "query", "command", "cmd", "status", "statusCode", "status_code",
    "response_code", "result", "outcome", "errorCode", "errorMessage", "Id", "Event ID", "EventID", "rrname",
    "sni", "hostname",
)  # fmt: skip
_PAYLOADS = ("EventData.", "UserData.")  # what an event of Windows says beside its id
_SPELT = str.maketrans("", "", "_- .@")
_TIMES = ("time", "ts", "timestamp", "@timestamp", "datetime")  # of a record within a text
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_PACKED = ("data", "payload", "value", "body")  # where queues keep a message in base64
_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,32}[@-~]")
_PARSER = JsonParser()
_path = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Message:
    """The text of a message, and the fields beside it by path; `time` is its time as it is written, or ''."""

    text: str
    fields: tuple[Field, ...]
    time: str = ""


def message_of(
    record: Record, times: tuple[str, ...] = (), prefix: str = "", depth: int = _NESTED
) -> Message:
    """Return what a record says.

    `times` are the paths of its times, which are no fields; `prefix` begins the paths of its fields; records
    within it are opened so many deep.
    """
    path, text = next(_messages(record, "", _DEEP), None) or _other_message(record)
    fields = fields_of(record, prefix.removesuffix("."), [prefix + one for one in (path, *times) if one])
    if not path:
        return Message(_action(fields), fields)
    inner = message_in_text(text, f"{prefix}{path}.", depth)
    if inner is None:
        return Message(_one_line(text), fields)
    return Message(inner.text, tuple(sorted((*fields, *inner.fields), key=_path)), inner.time)


def has_message(record: Record) -> bool:
    """Return whether a record has a text where messages are kept, by the names of the fields."""
    return next(_messages(record, "", _DEEP), None) is not None or _other_message(record)[0] != ""


def message_in_text(text: str, prefix: str = "", depth: int = _NESTED) -> Message | None:
    """Return what a text says that is a record itself (JSON, logfmt, klog); None for plain words."""
    if not depth:
        return None
    if text.lstrip()[:1] == "{":
        value = _PARSER.value_of(text)
        return _of_record(value, prefix, depth) if isinstance(value, dict) else None
    unwrapped = opened_text(text)
    if unwrapped is None:
        return None
    message, found, time = unwrapped
    fields = tuple((prefix + name, value) for name, value in found)
    inner = message_in_text(message, prefix, depth - 1)
    if inner is None:
        return Message(_one_line(message), fields, time)
    return Message(inner.text, tuple(sorted((*fields, *inner.fields), key=_path)), inner.time or time)


def _of_record(record: Record, prefix: str, depth: int) -> Message:
    said = message_of(record, _TIMES, prefix, depth - 1)
    time = next((str(record[name]) for name in _TIMES if record.get(name)), "")
    return Message(said.text, said.fields, said.time or time)


def _one_line(text: str) -> str:
    """A message without line breaks and the colours of a terminal."""
    return safe(" ".join(_COLOUR.sub("", text).split()), MOST_OF_MESSAGE)


def _messages(record: Record, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    """The texts that may be the message, with their paths, the likely ones first."""
    if _is_short(record):
        yield f"{prefix}full_message", str(record["full_message"])
    for name in MESSAGES:
        if name in record:
            text = text_of(record[name])
            if text and not text.isspace():
                yield prefix + name, (_unpacked(text) if name in _PACKED else text)
    if not depth:
        return
    for name in _WITHIN:
        inner = record.get(name)
        if isinstance(inner, dict):
            yield from _messages(inner, f"{prefix}{name}.", depth - 1)


def _is_short(record: Record) -> bool:
    """Return whether the short message of a record is the beginning of its full one, as in GELF."""
    short, full = record.get("short_message"), record.get("full_message")
    return isinstance(short, str) and isinstance(full, str) and full.startswith(short.rstrip(" .…"))


def _other_message(record: Record) -> tuple[str, str]:
    """Return the message of a record that spells its name in another way, and its path; '' for none."""
    for name, value in record.items():
        if isinstance(value, str) and value and name.translate(_SPELT).lower() in _OTHER_MESSAGES:
            return name, value
    return "", ""


def _unpacked(text: str) -> str:
    """A text in base64 as what it holds, where that is readable; any other text as it is."""
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return text
    try:
        held = b64decode(text).decode()
    except (Error, UnicodeDecodeError):
        return text
    return held if "".join(held.split()).isprintable() else text


def _action(fields: tuple[Field, ...]) -> str:
    """Return the action of a record without a message: of an access log the request and its status."""
    last: dict[str, tuple[str, Value]] = {}
    for path, value in fields:
        last.setdefault(path.rpartition(".")[2], (path, value))
    payload = [field for field in fields if any(name in field[0] for name in _PAYLOADS)]
    known = [last[name] for name in _ACTIONS if name in last]
    request = request_of(fields)
    done = [field for field in (*known, *payload) if field not in request] or (() if request else fields)
    said = [str(value) for _, value in request] + [f"{path}={value}" for path, value in done]
    return _one_line(" ".join(said))
