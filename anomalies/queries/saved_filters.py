"""Saved filters: visibility, validation and the page that a user starts with."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext

from anomalies.languages import formats
from anomalies.local_times import is_own_zone, kept_text, of_the_desk
from anomalies.models import SavedFilter, StartPage

from .filters import AnomalyFilter

User = AbstractBaseUser | AnonymousUser

# Saved with the filters: the order, and the view of single rows.
_VIEW = ("o", "single")
_TIMES = ("since", "until")
_MOST = 100  # saved filters of one owner
_LONGEST = 4_000  # characters of a URL query


class SavedFilterError(Exception):
    """A filter can't be saved or changed; the message gives the reason."""


def visible_to(user: User) -> QuerySet[SavedFilter]:
    """The user's own filters and those that others share, by name."""
    return (
        SavedFilter.objects.filter(Q(owner=user.pk) | Q(shared=True))
        .select_related("owner")
        .order_by("name", "id")
    )


def save(user: User, name: str, query: str, *, shared: bool) -> SavedFilter:
    """Save a filter, replacing the user's own one of that name. Raises SavedFilterError."""
    name, query = _name(name), checked_query(query)
    own = SavedFilter.objects.filter(owner_id=user.pk)
    if own.count() >= _MOST and not own.filter(name=name).exists():
        words = gettext("You have %(count)s saved filters; delete one first.")
        raise SavedFilterError(words % {"count": _MOST})
    kept, _ = SavedFilter.objects.update_or_create(
        owner_id=user.pk, name=name, defaults={"query": query, "shared": shared}
    )
    return kept


def change(user: User, pk: int, name: str, *, shared: bool) -> SavedFilter:
    """Rename the user's own filter, and share it or not. Raises SavedFilterError."""
    kept = _own(user, pk)
    kept.name, kept.shared = _name(name), shared
    try:
        with transaction.atomic():
            kept.save(update_fields=["name", "shared"])
    except IntegrityError as error:
        words = gettext("You have a filter named %(name)s already.") % {"name": kept.name}
        raise SavedFilterError(words) from error
    return kept


def delete(user: User, pk: int) -> str:
    """Delete the user's own filter and return its name. Raises SavedFilterError."""
    kept = _own(user, pk)
    kept.delete()
    return kept.name


def start_with(user: User, pk: int | None) -> SavedFilter | None:
    """Make a visible filter the user's start page; None removes it. Raises SavedFilterError."""
    if pk is None:
        StartPage.objects.filter(user=cast(int, user.pk)).delete()
        return None
    kept = visible_to(user).filter(pk=pk).first()
    if kept is None:
        raise SavedFilterError(gettext("There is no such filter, or it is not shared."))
    StartPage.objects.update_or_create(user_id=user.pk, defaults={"filter": kept})
    return kept


def start_of(user: User) -> SavedFilter | None:
    """The user's start page; None if there is none, or it is no longer shared."""
    return (
        visible_to(user)
        .filter(pk__in=StartPage.objects.filter(user=cast(int, user.pk)).values("filter"))
        .first()
    )


def _own(user: User, pk: int) -> SavedFilter:
    kept = SavedFilter.objects.filter(pk=pk, owner_id=user.pk).first()
    if kept is None:
        raise SavedFilterError(gettext("There is no such filter of yours."))
    return kept


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise SavedFilterError(gettext("Give the filter a name."))
    if len(name) > 80:
        raise SavedFilterError(gettext("The name is longer than 80 characters."))
    if not name.isprintable():
        raise SavedFilterError(gettext("The name holds a character that can't be shown."))
    return name


def checked_query(query: str) -> str:
    """The filters, order and view in a URL's query, without other parameters. Raises SavedFilterError."""
    if len(query) > _LONGEST:
        words = gettext("The filter is longer than %(count)s characters.")
        raise SavedFilterError(words % {"count": formats.count(_LONGEST)})
    asked = QueryDict(query.removeprefix("?"))
    filterset = AnomalyFilter(asked)
    if not filterset.form.is_valid():
        raise SavedFilterError(gettext("Invalid filter values, so the filter was not saved."))
    kept = QueryDict(mutable=True)
    for name in (*filterset.filters, *_VIEW):
        if values := [value for value in asked.getlist(name) if value]:
            kept.setlist(name, [kept_text(value) for value in values] if name in _TIMES else values)
    return kept.urlencode()


def address_query(query: str) -> str:
    """A kept query as an address of this reader has it: a time without offset is one of the desk's zone."""
    if not is_own_zone() or not any(f"{name}=" in query for name in _TIMES):
        return query
    asked = QueryDict(query, mutable=True)
    for name in _TIMES:
        if name in asked:
            asked.setlist(name, [of_the_desk(value) for value in asked.getlist(name)])
    return asked.urlencode()
