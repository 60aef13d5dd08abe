"""Comments of one anomaly: the address to which its page sends a new one, or the withdrawal of one."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies import permissions
from anomalies.languages import formats
from anomalies.models import Anomaly
from anomalies.queries.card.headline import with_headline
from anomalies.triage.comments import CommentError, NoSuchComment, add, withdraw
from anomalies.triage.decisions import DecisionError

from ..detail.thread import CommentForm, with_comments
from ..ui.formatting import visible
from ..ui.naming import name_of
from ..views import DeskView, uuid_of

_SHOWN_NAMES = 5  # of those that nobody has


class CommentView(DeskView):
    """Adds a comment, or withdraws one; shows the form again where it can't be stored.

    A comment changes no version, so a page that was opened long ago adds one too.
    """

    post_permission = staticmethod(permissions.can_decide)
    template = "admin/anomalies/anomaly/comment.html"

    def post(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Carry out the form, or show it again."""
        pk, sent = uuid_of(object_id), request.POST.get("withdraw")
        if pk is None:
            return self.no_such_anomaly(object_id)
        if sent is not None:
            return self._withdraw(pk, sent)
        form = CommentForm(request.POST)
        if not form.is_valid():
            return self._refuse(pk, form)
        try:
            added = add(pk, form.cleaned_data["text"], self.actor, form.cleaned_data["key"])
        except DecisionError as error:
            form.add_error("text", str(error))
            return self._refuse(pk, form)
        messages.success(request, _("Comment added."))
        if added.unknown:
            messages.warning(request, _unknown(added.unknown))
        return self._onward(pk)

    def _withdraw(self, pk: UUID, sent: str) -> HttpResponse:
        try:
            comment = uuid_of(sent)
            if comment is None:
                raise NoSuchComment(_("There is no such comment about this anomaly."))
            withdraw(pk, comment, self.actor)
        except CommentError as error:
            messages.error(self.request, str(error))
        else:
            messages.success(self.request, _("Comment withdrawn. The audit log keeps its text."))
        return self._onward(pk)

    def _refuse(self, pk: UUID, form: CommentForm) -> HttpResponse:
        anomaly = with_comments(with_headline(Anomaly.objects.without_evidence())).filter(pk=pk).first()
        if anomaly is None:
            return self.no_such_anomaly(str(pk))
        context = {
            "title": _("Add a comment"),
            "anomaly": anomaly,
            "name": name_of(anomaly),
            "comment_form": form,
            "viewers": anomaly.viewers,
            "back": self._page(pk),
        }
        return self.render(context)

    def _onward(self, pk: UUID) -> HttpResponse:
        return HttpResponseRedirect(f"{self._page(pk)}#comments")

    def _page(self, pk: UUID) -> str:
        """The page that the form was opened on; that of the anomaly where it does not say."""
        page = reverse("admin:anomalies_anomaly_change", args=[pk])
        return self.way_back(self.request.POST.get("next", ""), page).partition("#")[0]


def _unknown(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"@{visible(name, 60)}" for name in names[:_SHOWN_NAMES])
    about = {"names": shown, "more": formats.count(len(names) - _SHOWN_NAMES)}
    if len(names) > _SHOWN_NAMES:
        return (
            _("Nobody who sees anomalies has the username %(names)s and %(more)s more: it stays plain text.")
            % about
        )
    return _("Nobody who sees anomalies has the username %(names)s: it stays plain text.") % about
