"""A form renderer that caches widgets: one widget with one value is the same HTML on every page.

Without it page 1 takes 1.14 times as long (docs/decisions/22-what-stays.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.utils.functional import Promise

_KEPT = 512  # rendered widgets, of some hundred characters each


class _Key:
    """A widget's context as a hashable key: equal to another one that renders the same."""

    __slots__ = ("context", "key")

    def __init__(self, context: dict[str, Any]) -> None:
        self.context = context
        self.key = _frozen(context)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


class CachingRenderer(DjangoTemplates):
    """Renders a form as Django does, and caches its widgets: the list has twenty of them.

    For forms whose widgets depend on nothing but their context (names, values, choices), as filters' do.
    """

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        """Render a template as Django does; a widget that was rendered before is read from the cache."""
        if context.keys() != {"widget"}:
            return super().render(template_name, context, request)
        try:
            return self._widget(template_name, _Key(context))
        except TypeError:  # something in it is not hashable
            return super().render(template_name, context, request)

    @lru_cache(maxsize=_KEPT)  # noqa: B019 - there is one renderer, which lives as long as the program
    def _widget(self, template_name: str, key: _Key) -> str:
        return super().render(template_name, key.context)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _frozen(each)) for name, each in value.items())
    if isinstance(value, Promise):  # a label in the language of this page
        return str(value)
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
