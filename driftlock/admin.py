"""The admin site of the project."""

from importlib import import_module

from django.contrib.admin import site
from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    """Django's admin with the desk's frame."""

    default_site = "anomalies.admin.site.DeskSite"

    def ready(self) -> None:
        """The desk's modules come first: the site is one of them, and made when it is first asked for."""
        import_module("anomalies.admin")
        super().ready()
        self._leave_out_allauth()

    def _leave_out_allauth(self) -> None:
        """Take django-allauth's pages from the site: they show secrets, and change links unrecorded."""
        for model in list(site._registry):
            if model.__module__.startswith("allauth."):
                site.unregister(model)
