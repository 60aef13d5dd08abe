"""The ModelAdmin that every list of the desk is one of, and Django's classes with their type parameters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from anomalies.web.replica_reads import from_replica

if TYPE_CHECKING:  # Django's classes take parameters in its stubs only
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
    AnyModelForm = forms.ModelForm[Model]
else:
    AnyModelAdmin, AnyPaginator, AnyModelForm = admin.ModelAdmin, Paginator, forms.ModelForm


class DeskAdmin(AnyModelAdmin):
    """A ModelAdmin whose list accepts only the parameters of its ``list_filter``.

    Django accepts any lookup on any column in the URL: regular expressions, ranges, months of ten million
    rows. What the list does not offer is 400 here. ``reads_replica`` lets the list be read from a replica.
    """

    reads_replica: ClassVar[bool] = False
    _SUFFIXES: ClassVar = {"", "exact", "isnull", "id__exact"}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether a link of the list's own filter looks like this."""
        field, _, suffix = lookup.partition("__")
        names = {getattr(each, "parameter_name", each) for each in self.list_filter}
        return field in names and suffix in self._SUFFIXES

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list."""
        show: Any = partial(super().changelist_view, request, extra_context)
        answer: HttpResponse = from_replica(request, show) if self.reads_replica else show()
        return answer
