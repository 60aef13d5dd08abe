"""A mutant put in place of a module that is imported: its functions receive the mutant's bytecode.

It works for a fault within a function. A fault in what runs at import (a constant, a decorator, a default) is
in other modules as well by then, so that mutant needs a process of its own: `changed_functions` returns None.
"""

from __future__ import annotations

import builtins
import functools
import gc
import sys
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from cosmic_ray.exceptions import CosmicRayTestingException

_Place = tuple[str, int]  # a function's qualified name and its first line


def changed_functions(path: Path, source: str) -> dict[_Place, CodeType] | None:
    """The functions of a module that differ in ``source``; None if more than functions differs."""
    pairs = [(_compiled(path, path.read_text()), _compiled(path, source))]
    found: dict[_Place, CodeType] = {}
    while pairs:
        old, new = pairs.pop()
        inner_old, inner_new = _inner(old), _inner(new)
        if not _is_function(old) and (_own(old) != _own(new) or len(inner_old) != len(inner_new)):
            return None
        if _is_function(old) and _all(old) != _all(new):
            found[(old.co_qualname, old.co_firstlineno)] = new
        pairs += zip(inner_old, inner_new, strict=False)
    return found


def swap(path: Path, changed: dict[_Place, CodeType]) -> None:
    """Give the living functions of a module new code, and empty the caches that the old code filled."""
    builtins.CosmicRayTestingException = CosmicRayTestingException  # type: ignore[attr-defined]
    for each in functions(path):
        code = each.__code__
        each.__code__ = changed.get((code.co_qualname, code.co_firstlineno), code)
    empty_caches()


@functools.cache
def functions(path: Path) -> list[FunctionType]:
    """The living functions of a module, also those that decorators hide. Found once: it reads all objects."""
    name, found = str(path.resolve()), gc.get_objects()
    return [each for each in found if isinstance(each, FunctionType) and each.__code__.co_filename == name]


def empty_caches() -> None:
    """Empty the caches of our functions, so that the next call runs them, and the shares of the rate limit.

    A database that is put back gives the ids of tokens again, whose shares this process has used up.
    """
    for each in _caches():
        each.cache_clear()
    if rates := sys.modules.get("anomalies.api.rates"):
        rates._shares.clear()


@functools.cache
def _caches() -> list[Any]:
    cached = type(_caches_of_ours)
    return [each for each in gc.get_objects() if isinstance(each, cached) and _is_ours(each)]


@functools.lru_cache
def _caches_of_ours() -> None:
    """Stands for the type of cached functions, which has no public name."""


def _is_ours(each: Any) -> bool:
    return str(getattr(each, "__module__", "")).startswith("anomalies.")


def _compiled(path: Path, source: str) -> CodeType:
    return compile(source, str(path.resolve()), "exec")


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & 0x02)  # CO_NEWLOCALS: modules and class bodies lack it


def _own(code: CodeType) -> tuple[Any, ...]:
    """All that makes the code's behaviour, without the code inside it and without line numbers."""
    constants = tuple(None if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, constants, names, code.co_flags, code.co_argcount, code.co_exceptiontable


def _all(code: CodeType) -> tuple[Any, ...]:
    return _own(code), tuple(_all(each) for each in _inner(code))
