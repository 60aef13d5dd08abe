"""Form widgets that are drawn once: the same one of the same value comes out the same on every page."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.forms.renderers import DjangoTemplates

_KEPT = 512  # widgets as drawn, of some hundred characters each


class _Plain:
    """A widget's context that can be looked up: equal to another one that draws the same."""

    __slots__ = ("context", "key")

    def __init__(self, context: dict[str, Any]) -> None:
        self.context = context
        self.key = _frozen(context)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Plain) and self.key == other.key


class RememberingRenderer(DjangoTemplates):
    """Draws a form as Django does, and remembers its widgets: twenty of them are a fifth of a list's page.

    For forms whose widgets say all in their context (names, values, choices), as those of filters do.
    """

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        """What Django makes of the template; of a widget, where it was drawn before, what came out then."""
        if context.keys() != {"widget"}:
            return super().render(template_name, context, request)
        try:
            return self._widget(template_name, _Plain(context))
        except TypeError:  # something in it can't be looked up
            return super().render(template_name, context, request)

    @lru_cache(maxsize=_KEPT)  # noqa: B019 - there is one renderer, which lives as long as the program
    def _widget(self, template_name: str, plain: _Plain) -> str:
        return super().render(template_name, plain.context)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _frozen(each)) for name, each in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
