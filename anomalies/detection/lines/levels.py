"""The severity of a line: the first one that it names near its beginning."""

import re

_LEVEL = re.compile(
    r"(?<![\w-])(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|CRITICAL|FATAL|ALERT|PANIC|[\[=](?:trace|debug|info"
    r"|notice|warn|warning|err|error|crit|critical|alert|emerg|panic|fatal))(?![\w-])"
)
_WITHIN = 160  # characters
_RANKS = {
    "warn": 1, "warning": 1, "err": 2, "error": 2, "severe": 2, "crit": 3, "critical": 3, "alert": 3,
    "emerg": 3, "panic": 3, "fatal": 3,
}  # fmt: skip


def level_of(text: str) -> str:
    """Return the first severity that a text names within 160 characters, as it is written; '' for none."""
    found = _LEVEL.search(text[:_WITHIN])
    return found[0].lstrip("[=") if found else ""


def severity_of(text: str) -> int:
    """Return how severe a line is by the level it names: 1 to 3 from a warning on, 0 for any other."""
    return severity_of_level(level_of(text))


def severity_of_level(level: str) -> int:
    """Return the same of a level."""
    return _RANKS.get(level.lower(), 0)
