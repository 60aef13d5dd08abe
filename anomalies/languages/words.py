"""The words that several pages say: actions, how many anomalies, lists of things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext, ngettext, npgettext, pgettext

from .formats import count

# The verbs of what the audit log records, as buttons and the history of an anomaly say them. Listed by
# hand: the extraction of messages reads the source.
_ACTIONS = {
    "acknowledge": lambda: pgettext("action", "acknowledge"),
    "activate": lambda: pgettext("action", "activate"),
    "assign": lambda: pgettext("action", "assign"),
    "create": lambda: pgettext("action", "create"),
    "deactivate": lambda: pgettext("action", "deactivate"),
    "delete": lambda: pgettext("action", "delete"),
    "dismiss": lambda: pgettext("action", "dismiss"),
    "erase": lambda: pgettext("action", "erase"),
    "import": lambda: pgettext("action", "import"),
    "investigate": lambda: pgettext("action", "investigate"),
    "note": lambda: pgettext("action", "note"),
    "reopen": lambda: pgettext("action", "reopen"),
    "snooze": lambda: pgettext("action", "snooze"),
    "unassign": lambda: pgettext("action", "unassign"),
    "undo": lambda: pgettext("action", "undo"),
    "update": lambda: pgettext("action", "update"),
    "wake": lambda: pgettext("action", "wake"),
    "withdraw": lambda: pgettext("action", "withdraw"),
}


# What the audit log's entries are about, as lists of them name it.
_RESOURCES = {
    "account": lambda: pgettext("resource", "account"),
    "anomaly": lambda: pgettext("resource", "anomaly"),
    "api token": lambda: pgettext("resource", "api token"),
    "api_token": lambda: pgettext("resource", "api_token"),
    "comment": lambda: pgettext("resource", "comment"),
    "detection config": lambda: pgettext("resource", "detection config"),
    "detection_config": lambda: pgettext("resource", "detection_config"),
    "notification rule": lambda: pgettext("resource", "notification rule"),
    "permission of a role": lambda: pgettext("resource", "permission of a role"),
    "permission of an account": lambda: pgettext("resource", "permission of an account"),
    "ownership rule": lambda: pgettext("resource", "ownership rule"),
    "role": lambda: pgettext("resource", "role"),
    "role of an account": lambda: pgettext("resource", "role of an account"),
    "session": lambda: pgettext("resource", "session"),
    "team": lambda: pgettext("resource", "team"),
    "triage rule": lambda: pgettext("resource", "triage rule"),
}


def resource(name: str) -> str:
    """Return what an entry of the audit log is about: "role of an account"; else the name as it is stored."""
    say = _RESOURCES.get(name)
    return say() if say else name


def action(name: str) -> str:
    """Return the verb of an action: "dismiss"; an action without one is its own name."""
    say = _ACTIONS.get(name)
    return say() if say else name


def anomalies(number: int) -> str:
    """Return how many anomalies: "1 anomaly", "9,924 anomalies"."""
    return ngettext("%(count)s anomaly", "%(count)s anomalies", number) % {"count": count(number)}


def after_preposition(number: int) -> str:
    """Return how many anomalies, as it stands after "of" and "about"."""
    words = npgettext("after a preposition", "%(count)s anomaly", "%(count)s anomalies", number)
    return words % {"count": count(number)}


def either(parts: Iterable[str]) -> str:
    """Return alternatives: "a or b or c"."""
    return gettext(" or ").join(parts)


def both(parts: Iterable[str]) -> str:
    """Return what holds together: "a and b and c"."""
    return gettext(" and ").join(parts)


def listed(parts: Sequence[str]) -> str:
    """Return an enumeration: "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return gettext("%(first)s and %(last)s") % {"first": ", ".join(parts[:-1]), "last": parts[-1]}
