"""Frozen dataclasses and named tuples as plain JSON values, and back: what a saved state is made of."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_NOT_FINITE = ("nan", "inf", "-inf")


def to_plain(value: Any) -> Any:
    """Return a dataclass, a named tuple, a sequence or a simple value as dicts, lists and simple values."""
    kind: Any = type(value)
    if _is_record(kind):
        return {name: to_plain(getattr(value, name)) for name in _hints(kind)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no number for it
    return value


def from_plain(kind: Any, value: Any) -> Any:
    """Return the value of type `kind` that `to_plain` made this of.

    Raises TypeError, KeyError or ValueError for what it did not make.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if type(value) in inner:
            return value
        return None if value is None else from_plain(next(one for one in inner if one is not NoneType), value)
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(from_plain(one, each) for one, each in zip(kinds, value, strict=True))
    if origin in (list, Sequence):
        return [from_plain(inner[0], each) for each in value]
    if kind is datetime:
        return datetime.fromisoformat(value)
    if _is_record(kind):
        return kind(**{name: from_plain(one, value[name]) for name, one in _hints(kind).items()})
    return _simple(kind, origin, value)


def _simple(kind: Any, origin: Any, value: Any) -> Any:
    wanted = type(get_args(kind)[0]) if origin is Literal else kind
    if kind is float and type(value) is int:
        return float(value)
    if kind is float and value in _NOT_FINITE:
        return float(value)
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields"))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields
    return {name: hints[name] for name in names}
