"""A note that was not saved because the session had expired: kept until its page is opened again."""

from __future__ import annotations

from django.http import HttpRequest

_KEY = "kept_note"
_LONGEST = 10_000  # as long as a note may be


def keep_note(request: HttpRequest) -> bool:
    """Put the note of a form into the session; return whether there is one."""
    note = request.POST.get("note", "").strip()
    if not note or len(note) > _LONGEST:
        return False
    request.session[_KEY] = {"path": request.path, "note": note}
    return True


def take_note(request: HttpRequest) -> str:
    """Return the note that was kept for this page and forget it; '' where there is none."""
    kept = request.session.get(_KEY)
    if not isinstance(kept, dict) or kept.get("path") != request.path:
        return ""
    del request.session[_KEY]
    return str(kept["note"])
