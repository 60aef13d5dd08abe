"""The people who have the page of an anomaly open, for the script that asks for them."""

from __future__ import annotations

from hashlib import sha256

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from anomalies.safe_text import printable
from anomalies.triage.viewers import in_words, look

from ..views import DeskView, uuid_of

_LONGEST_NAME = 60


class ViewersView(DeskView):
    """JSON: ``words`` such as "ana is looking at this", '' if nobody else does. Asking counts as looking.

    The answer has an ETag: unchanged words are 304.
    """

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer for one anomaly; 404 for an address without an id."""
        pk = uuid_of(object_id)
        if pk is None:
            raise Http404
        names = look(pk, request.user.get_username())
        words = in_words([printable(name, _LONGEST_NAME) for name in names])
        tag = f'"{sha256(words.encode()).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return HttpResponse(status=304, headers={"ETag": tag})
        return JsonResponse({"words": words}, headers={"ETag": tag})
