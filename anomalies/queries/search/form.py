"""The form of the filters, which names a search's words where their values are invalid."""

from __future__ import annotations

from collections.abc import Mapping

import django_filters as df
from django import forms
from django.utils.translation import gettext as _

from .expansion import QUOTE, Expansion
from .fields import values_of


class FilterForm(forms.Form):
    """The fields of the filters; a word's value is validated by the field of its filter.

    ``problems`` has a sentence for each field that words set to no valid value, once it is validated.
    """

    expansion: Expansion
    filters: Mapping[str, df.Filter]

    def full_clean(self) -> None:
        """Validate the fields, and name the words whose values are invalid or contradict others."""
        super().full_clean()
        self.problems = self._problems() if self.is_bound else {}
        for name, problem in self.problems.items():
            self.add_error(name, problem)

    def _problems(self) -> dict[str, str]:
        invalid = {
            name: _("In the search: %(words)s. It takes %(values)s. %(quote)s")
            % {"words": " ".join(map(str, words)), "values": self._values(name), "quote": QUOTE}
            for name, words in self.expansion.words.items()
            if name in self.errors
        }
        return invalid | dict(self.expansion.problems)

    def _values(self, name: str) -> str:
        return values_of(self.filters[name])
