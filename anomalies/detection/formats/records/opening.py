"""Containers of records: one JSON value that holds many, as exports, queries and batches write them.

A container is an object with a list of records, and beside it only what holds for all of them. It has no
message and no time of its own; a record that holds a list among other things is no container.
"""

from collections.abc import Callable, Iterator
from typing import Any

from .fields import attributes_of, plain_value
from .logs.messages import MESSAGES
from .moments import NAMES
from .parsing import Record

# Where exports and queries keep their records; a list of another name is one where there is nothing else.
_LISTS = (
    "Records", "records", "logEvents", "events", "Events", "hits", "data", "items", "value", "values",
    "results", "result", "entries", "logs", "rows", "messages", "traces", "response", "documents", "Items",
    "content", "batch",
)  # fmt: skip
_ROWS = ("rows", "values", "datarows", "data")
_OWN = {*NAMES, *MESSAGES} - {"data", "content", "event", "error", "start", "date", "signature"}
_DEEP = 3  # objects around the list
_CONTEXT = 20  # simple values around the list


Keep = Callable[[Any], bool]


def opened(value: Any, keep: Keep, depth: int = _DEEP) -> Iterator[Any] | None:
    """Return the records that a container holds, opened in turn; None for what is no container.

    `keep` says of a value that it is a record of the kind that is looked for, whatever lists it holds.
    """
    if isinstance(value, list):
        return _of_list(value, {}, keep, depth) if value and isinstance(value[0], dict | list) else None
    if not isinstance(value, dict) or keep(value):
        return None
    if isinstance(value.get("resourceLogs"), list):
        return _of_otlp(value["resourceLogs"])
    if streams := _loki_streams(value):
        return iter(_of_loki(streams))
    if rows := _table(value):
        return iter(rows)
    found = list_of(value, depth)
    return _of_list(found[1], found[2], keep, depth) if found else None


def list_of(value: Record, depth: int = _DEEP) -> tuple[str, list[Any], Record] | None:
    """Return the path of the list of records in a container, the list, and the simple values around it."""
    if says_something(value):
        return None
    lists = {name: one for name, one in value.items() if is_list_of_records(one)}
    known = next((name for name in _LISTS if name in lists), None)
    name = known or (next(iter(lists)) if len(lists) == 1 and len(value) == 1 else None)
    if name is not None:
        return name, lists[name], _context(value)
    if not depth:
        return None
    for outer in value:
        if isinstance(value[outer], dict) and (found := list_of(value[outer], depth - 1)):
            path, records, context = found
            if outer in _LISTS or len(value) == 1:
                return f"{outer}.{path}", records, {**_context(value), **context}
    return None


def says_something(value: Record) -> bool:
    """Return whether an object has a message or a time of its own, by their names."""
    return not _OWN.isdisjoint(value)


def is_list_of_records(value: Any) -> bool:
    """Return whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value[:10])


def _context(value: Record) -> Record:
    simple = ((name, one) for name, one in value.items() if isinstance(one, str | int | float))
    return dict(pair for pair, _ in zip(simple, range(_CONTEXT), strict=False))


def _of_list(values: list[Any], context: Record, keep: Keep, depth: int) -> Iterator[Any]:
    for value in values:
        inner = opened(value, keep, depth - 1) if depth else None
        if inner is not None:
            yield from inner
        elif isinstance(value, dict):
            yield _with_context(value, context)
        else:
            yield value


def _named_cells(value: Any) -> Record:
    """A row whose cells name themselves, as of CloudWatch's Insights: `[{"field": …, "value": …}, …]`."""
    if not (isinstance(value, list) and value and all(isinstance(one, dict) for one in value)):
        return {}
    cells = [one for one in value if one.keys() == {"field", "value"} and isinstance(one["field"], str)]
    return {one["field"]: one["value"] for one in cells} if len(cells) == len(value) else {}


def _table(value: Record) -> list[Record]:
    """The rows of a query's answer that names its columns: `{"columns": […], "rows": [[…], …]}`."""
    results = value.get("results")
    if isinstance(results, list) and results and all(map(_named_cells, results)):
        return list(map(_named_cells, results))
    columns, rows = value.get("columns"), next((value[name] for name in _ROWS if name in value), None)
    if not (isinstance(columns, list) and columns and isinstance(rows, list)):
        return []
    names = [str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in columns]
    fit = [row for row in rows if isinstance(row, list) and len(row) == len(names)]
    return [dict(zip(names, row, strict=True)) for row in fit] if len(fit) == len(rows) else []


def _with_context(value: Record, context: Record) -> Record:
    source = value.get("_source")  # of a search of Elasticsearch
    if isinstance(source, dict):
        value = {**{name: one for name, one in value.items() if name != "_source"}, **source}
    return {**context, **value}


def _of_otlp(resources: list[Any]) -> Iterator[Record]:
    """The log records of OpenTelemetry's batches, with the attributes of their resource."""
    for resource, scope, record in otlp_items(
        resources, ("scopeLogs", "instrumentationLibraryLogs"), "logRecords"
    ):
        simple = {name: one for name, one in record.items() if not isinstance(one, dict | list) and one != ""}
        yield {
            **simple,
            "body": plain_value(record.get("body")),
            "attributes": attributes_of(record.get("attributes")),
            "resource": resource,
            **({"scope": scope} if scope else {}),
        }


def otlp_items(
    resources: list[Any], scopes: tuple[str, ...], name: str
) -> Iterator[tuple[Record, str, Record]]:
    """Yield the items of OpenTelemetry's batches: the resource's attributes, the scope's name, the item."""
    for holder in resources:
        if not isinstance(holder, dict):
            continue
        resource = holder.get("resource")
        attributes = attributes_of(resource.get("attributes")) if isinstance(resource, dict) else {}
        for key in scopes:
            for inner in _dicts(holder.get(key)):
                scope = inner.get("scope") or inner.get("instrumentationLibrary")
                scope_name = scope.get("name", "") if isinstance(scope, dict) else ""
                for item in _dicts(inner.get(name)):
                    yield attributes, str(scope_name), item


def _loki_streams(value: Record) -> list[Any]:
    """The streams of Loki's push or query: labels, and pairs of nanoseconds and a line."""
    data = value.get("data")
    found = data.get("result") if isinstance(data, dict) else value.get("streams")
    streams = [one for one in _dicts(found) if "stream" in one and isinstance(one.get("values"), list)]
    return streams if found and len(streams) == len(found) else []


def _of_loki(streams: list[Any]) -> list[Record]:
    """The lines of all streams in the order of time: Loki answers one stream after the other, backwards."""
    return sorted(_loki_lines(streams), key=lambda record: _nanoseconds(record["timestamp"]))


def _nanoseconds(time: Any) -> int:
    return int(time) if isinstance(time, str) and time.isdecimal() and len(time) < 30 else 0


def _loki_lines(streams: list[Any]) -> Iterator[Record]:
    for stream in streams:
        for pair in stream["values"]:
            if isinstance(pair, list) and len(pair) >= 2:
                meta = {"metadata": pair[2]} if len(pair) > 2 and isinstance(pair[2], dict) else {}
                yield {"timestamp": pair[0], "line": pair[1], "stream": stream["stream"], **meta}


def _dicts(values: Any) -> list[Record]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []
