"""The base views of the desk: any page behind its login and permission, and a form about one anomaly."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.generic import View

from anomalies import permissions
from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import DecisionError
from anomalies.web.actor import actor_of
from anomalies.web.replica_reads import from_replica

from .decide.edit_conflict import Answer, OneAnomalyForm, answer_to
from .decide.messages import report
from .ui.formatting import visible

SLICE_SECONDS = 2.0  # how long one request works at a task that continues in the next request
_LONGEST_NAME = 100
LIST = "admin:anomalies_anomaly_changelist"


def _from_replica(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view, read from the replica where that may be; by then the user is known."""

    @wraps(view)
    def read(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer: HttpResponseBase = from_replica(request, lambda: view(request, *args, **kwargs))
        return answer

    return read


class DeskView(View):
    """A page behind the admin's login; subclasses have ``get`` or ``post`` or both, any other method is 405.

    ``permission`` is required for every method, ``post_permission`` for POST as well: without it 403.
    ``reads_replica`` lets what is read by GET be read from a replica.
    """

    http_method_names = ("get", "head", "post")
    permission: ClassVar[staticmethod[[permissions.User], bool]] = staticmethod(permissions.can_view)
    post_permission: ClassVar[staticmethod[[permissions.User], bool]] = staticmethod(permissions.can_view)
    reads_replica: ClassVar[bool] = False
    model: ClassVar[type[Model]] = Anomaly
    template: str = ""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view as the admin site serves it: users who are not logged in get the login page."""
        view = super().as_view(**initkwargs)
        return admin.site.admin_view(_from_replica(view) if cls.reads_replica else view)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Check the method and the permission, then answer."""
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):
            return self.http_method_not_allowed(request, *args, **kwargs)
        user = request.user
        if not self.permission(user) or (method == "post" and not self.post_permission(user)):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    @property
    def actor(self) -> Actor:
        """The user, address and page that the audit log records."""
        return actor_of(self.request)

    @property
    def preserved_filters(self) -> str:
        """The filter of the list that the page was opened from, for links back to it."""
        query = self.request.GET.get("_changelist_filters")
        return urlencode({"_changelist_filters": query}) if query else ""

    def render(self, context: dict[str, Any], status: int = 200) -> TemplateResponse:
        """Render ``template`` in the admin's frame."""
        frame = {**admin.site.each_context(self.request), "opts": self.model._meta}
        return TemplateResponse(self.request, self.template, {**frame, **context}, status=status)

    def to_list(self, words: str = "", level: int = messages.WARNING) -> HttpResponse:
        """Redirect to the list of anomalies with a message."""
        if words:
            messages.add_message(self.request, level, words)
        return HttpResponseRedirect(reverse(LIST))

    def no_such_anomaly(self, object_id: str) -> HttpResponse:
        """Redirect to the list: there is no anomaly of this id."""
        return self.to_list(_("There is no anomaly %(id)s.") % {"id": visible(object_id, 60)})

    def way_back(self, address: str, otherwise: str) -> str:
        """Return ``address``, the previous page, if it is on this site; otherwise ``otherwise``."""
        request = self.request
        is_ours = url_has_allowed_host_and_scheme(
            address, {request.get_host()}, require_https=request.is_secure()
        )
        return address if is_ours and address.startswith("/") else otherwise


class OneAnomalyView(DeskView):
    """Handles a form about one anomaly: applies it, or shows the reason if not (``edit_conflict``)."""

    post_permission = staticmethod(permissions.can_decide)
    always: ClassVar[tuple[str, ...]] = ("status",)  # columns that a conflict shows in any case

    def post(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Carry out the form, or show it again."""
        form, pk = self.form(), uuid_of(object_id)
        if pk is not None and form.is_valid() and self._take(form, pk):
            return HttpResponseRedirect(self.onward(form, pk))
        anomaly = self.read(object_id)
        if anomaly is None:
            return self.no_such_anomaly(object_id)
        return self.refuse(anomaly, form, answer_to(form, anomaly, "anomaly", self.always))

    def _take(self, form: OneAnomalyForm, pk: UUID) -> bool:
        """Return whether it was done, or is impossible for a reason that a message gives."""
        try:
            outcome = form.take({pk: form.cleaned_data["version"]}, self.actor)
        except DecisionError as error:
            form.add_error(None, str(error))
            return False
        if any(refusal.changed or refusal.status is None for refusal in outcome.refused):
            return False
        report(self.request, form.action, outcome, self._name)
        return True

    @property
    def _name(self) -> str:
        """The anomaly's name as the page showed it, for the message; what is not printable is left out."""
        return "".join(filter(str.isprintable, self.request.POST.get("name", "")[:_LONGEST_NAME]))

    def form(self) -> OneAnomalyForm:
        """Return the form that was sent."""
        raise NotImplementedError

    def onward(self, form: OneAnomalyForm, pk: UUID) -> str:
        """Return the address of the page that follows."""
        raise NotImplementedError

    def read(self, object_id: str) -> Any:
        """Read the anomaly with ``last_entry``; None where there is none of this id."""
        raise NotImplementedError

    def refuse(self, anomaly: Any, form: OneAnomalyForm, answer: Answer) -> HttpResponse:
        """Show the form again, and why it was refused."""
        raise NotImplementedError


def uuid_of(text: str) -> UUID | None:
    """Parse an id in an address; None for what is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None


def time_slice() -> Callable[[], bool]:
    """Return a clock that ends a slice of work after SLICE_SECONDS, well before the request's deadline."""
    until = time.monotonic() + min(SLICE_SECONDS, settings.PAGE_SECONDS * 0.4 or SLICE_SECONDS)
    return lambda: time.monotonic() >= until
