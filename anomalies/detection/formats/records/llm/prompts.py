"""LLM traffic as providers, proxies and tracing tools write it: what was asked and what was answered.

The texts of users and models are the message. Instructions that are the same in every call (system prompts,
tools) are fields, so that they do not dilute what is said.
"""

from collections.abc import Iterator
from typing import Any

from ....events import safe
from ..fields import Field, fields_of
from ..parsing import JsonParser, Record

MOST_OF_PROMPT = 65_536  # characters of a record that are scored
_DEEP = 12
_SPEAKERS = ("role", "from", "author")
_STANDING = {"system", "developer"}  # roles whose texts are the same in every call
_CONTAINERS = (
    "messages", "input", "prompt", "contents", "conversation", "conversations", "request", "body", "inputs",
    "query", "question", "instruction", "choices", "message", "delta", "output", "outputs", "response",
    "responses", "completion", "completions", "candidates", "generations", "answer", "data", "result",
    "results", "content", "parts", "text", "value", "output_text", "refusal", "generation", "inputBodyJson",
    "outputBodyJson", "arguments", "tool_calls", "function", "generated_text", "inputText", "outputText",
    "observations", "batch", "kwargs", "gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages",
    "gen_ai.output.messages", "request_body", "response_body",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(_CONTAINERS)}
_SURE = {
    "prompt",
    "messages",
    "completion",
    "choices",
    "conversation",
    "conversations",
    "contents",
    "candidates",
}
_PAIRS = (
    {"custom_id", "result"}, {"request_body", "response_body"}, {"gen_ai.prompt", "gen_ai.completion"},
    {"gen_ai.input.messages", "gen_ai.output.messages"},
    {"input", "output"}, {"question", "answer"}, {"instruction", "response"}, {"inputs", "outputs"},
    {"instruction", "output"}, {"request", "response", "model"}, {"role", "content"}, {"query", "answer"},
    {"prompt", "response"}, {"model", "response"}, {"custom_id", "response"}, {"custom_id", "body"},
)  # fmt: skip
_LONG_TEXTS = {"content", "response", "input", "output", "answer", "text", "query"}
_LONG = 200  # characters of a text that is more than a log's message
_LEVELS = {"level", "severity", "loglevel", "lvl", "logger"}
_OBSERVED = {"GENERATION", "SPAN", "EVENT", "generation", "AGENT", "TOOL", "CHAIN"}  # Langfuse's types
_INGESTED = {
    f"{kind}-{verb}" for kind in ("generation", "span", "trace", "event") for verb in ("create", "update")
}  # Langfuse's events
_PARSER = JsonParser()


def is_prompt(record: Record) -> bool:
    """Return whether a record is of LLM traffic."""
    if any(isinstance(record.get(name), str | list | dict) and record[name] for name in _SURE):
        return not _is_http(record)
    names = record.keys()
    if str(record.get("type")) in _INGESTED and isinstance(record.get("body"), dict):
        return "input" in record["body"] or "output" in record["body"]
    if record.get("type") in _OBSERVED and ("traceId" in names or "model" in names) and "input" in names:
        return True
    if record.get("schemaType") == "ModelInvocationLog" or "run_type" in names:
        return True
    if str(record.get("object", "")).startswith(("chat.completion", "text_completion", "response")):
        return True
    lower = {name.lower() for name in names}
    if lower & _LEVELS:
        return False
    if any(pair <= lower for pair in _PAIRS) and _has_words(record):
        return True
    return any(isinstance(record.get(name), str) and len(record[name]) >= _LONG for name in _LONG_TEXTS)


def prompt_of(record: Record) -> tuple[str, tuple[Field, ...]]:
    """Return the texts of a record under their roles, '' for none, and its other simple values."""
    said = list(_said(record, "", "", _DEEP))
    texts = [(role, text) for _, role, text in said if role not in _STANDING]
    if not texts:  # a record of another shape: all its texts are scored, under their names
        texts = [(path, value) for path, value in fields_of(record) if isinstance(value, str)]
        return _joined(texts), ()
    paths = {path for path, _, _ in said}
    standing = tuple((f"{path}.{role}", safe(text, 256)) for path, role, text in said if role in _STANDING)
    return _joined(texts), tuple(sorted((*fields_of(record, without=paths), *standing)[:400], key=_path))


def _said(value: Any, path: str, role: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """The texts in a value: the path of what holds it, the role that speaks, the text."""
    if isinstance(value, str):
        inner = _PARSER.value_of(value) if depth and value[:1] in ("{", "[") else None
        if inner is not None:
            yield from _said(inner, path, role, depth - 1)
        elif value and not value.isspace():
            yield path, role, value
    elif isinstance(value, list) and depth:
        for one in value:
            yield from _said(one, path, role, depth - 1)
    elif isinstance(value, dict) and depth:
        named = (value[name] for name in _SPEAKERS if isinstance(value.get(name), str))
        speaker = next(named, role)
        for name in sorted(value.keys() & _RANK.keys(), key=_RANK.__getitem__):
            below = f"{path}.{name}" if path else name
            yield from _said(value[name], below, speaker or name, depth - 1)


def _joined(texts: list[tuple[str, str]]) -> str:
    # Each text has the same right to room, so that a long prompt does not hide the answer.
    longest = MOST_OF_PROMPT // max(1, len(texts))
    while (
        sum(min(len(text), longest) for _, text in texts) < MOST_OF_PROMPT // 2 and longest < MOST_OF_PROMPT
    ):
        longest *= 2
    several = len(texts) > 1
    written = (
        f"{name}: {' '.join(text[:longest].split())}"
        if several and name
        else " ".join(text[:longest].split())
        for name, text in texts
    )
    return safe(" ".join(written), MOST_OF_PROMPT)


def _has_words(record: Record) -> bool:
    return any(" " in text for _, _, text in _said(record, "", "", _DEEP))


def _is_http(record: Record) -> bool:
    """Return whether it is a log record that has a field of that name by coincidence."""
    return bool({"level", "msg", "message"} & record.keys()) and not isinstance(record.get("messages"), list)


def _path(field: Field) -> str:
    return field[0]
